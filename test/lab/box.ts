/**
 * One box of the lab: the built image on a machine of QEMU's parts, driven as an administrator and a visitor with a hammer would.
 *
 * Over its API by TLS with its own certificate pinned, by commands as root inside (the guest agent), at its serial port, screen
 * and keyboard; and its plug, cables, disks and sticks can be pulled. The image is never changed: the box writes to an overlay.
 * States: off -> (switchOn -> on -> pullPlug | end) -> off -> closed. Everything ends with the process that opened it.
 * Called by the tests in test/lab.
 */
import { copyFileSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ApiClient } from '../api-client.ts';
import { build, cached } from '../real/guest/cache.ts';
import { makePlace, type Place, removePlace, sweepStalePlaces } from '../real/rack/place.ts';
import { type Emulator, emulatorOf } from './emulator.ts';
import { GuestAgent } from './guest-agent.ts';
import { labImage, type LabImage } from './image.ts';
import { type Hardware, Machine } from './machine.ts';
import { gated, patient, type Tuning, tuned, untouched } from './tuning.ts';
import { pinnedFetch } from './pinned-fetch.ts';

export interface BoxOptions extends Partial<Omit<Hardware, 'disks' | 'port'>> {
  /** The one of this checkout unless told. */
  image?: LabImage;
  /** Size of the disk that it boots from; 16 GiB unless told. */
  diskGiB?: number;
  /** Sizes of further disks, in GiB. */
  furtherDisks?: readonly number[];
  /** Nothing is taken away to save time: AppArmor, all devices. */
  isUntouched?: boolean;
  /** The health gate stays as it is shipped; the rest is tuned. */
  isGated?: boolean;
  /** Its watchdog waits 15 minutes: VMs in it need most of the one processor that it has. */
  isPatient?: boolean;
}

interface Health {
  isDatabaseWritable?: boolean;
  isHypervisorConnected?: boolean;
}

/** Where a box was saved: its disk, its firmware's memory, its state. */
interface Saved {
  disk: string;
  variables: string;
  state: string;
}

export const adminPassword = 'correct horse battery';
/** Software emulation on a busy machine: what takes a second on a real box takes ten here. */
const patienceMs = 900_000;
/** A new box, switched off. */
export async function openBox(options: BoxOptions = {}): Promise<Box> {
  const image = options.image ?? await labImage();
  return makeBox(image.disk, await emulatorOf(image), options);
}

export interface ReadyOptions {
  image?: LabImage;
  /** With the health gate as it is shipped, for tests of updates. */
  isGated?: boolean;
  /** As `setUp` leaves it. */
  isSetUp?: boolean;
  /** For tests whose VMs run. */
  isPatient?: boolean;
}

/**
 * A box that is on, answers, and was never set up unless told, with a screen, a hardware watchdog and a cable. The first one boots and is
 * saved; the others go on from there within seconds. After a reset or a plug that was pulled they boot as every box does.
 */
export async function openReadyBox({ image, isGated = false, isSetUp = false, isPatient = false }: ReadyOptions = {}): Promise<Box> {
  const chosen = image ?? await labImage();
  const emulator = await emulatorOf(chosen);
  const hardware: BoxOptions = { screen: true, watchdog: true, isGated, ...(isPatient && { isPatient }) };
  const folder = await cached({ name: 'ready', suffix: '', ingredients: [chosen.disk, statSync(chosen.disk).mtimeMs, emulator.command, hardware, isGated ? gated : tuned] }, async (path) => {
    mkdirSync(path);
    await withBox({ ...hardware, image: chosen }, async (box) => {
      await box.switchOn();
      await box.answers();
      await box.saveTo(savedIn(path));
    });
  });
  if (!isSetUp) return reopen(folder, emulator, hardware);
  const later = await cached({ name: 'set-up', suffix: '', ingredients: [folder] }, async (path) => {
    mkdirSync(path);
    const box = await reopen(folder, emulator, hardware);
    try {
      await box.setUp();
      writeFileSync(join(path, 'token'), box.token);
      await box.saveTo(savedIn(path));
    } finally {
      await box.close();
    }
  });
  const box = await reopen(later, emulator, hardware);
  box.token = readFileSync(join(later, 'token'), 'utf8');
  return box;
}

async function reopen(folder: string, emulator: Emulator, hardware: BoxOptions): Promise<Box> {
  const saved = savedIn(folder);
  const box = await makeBox(saved.disk, emulator, hardware, saved.variables);
  await box.goOn(saved.state);
  return box;
}

const savedIn = (folder: string): Saved => ({ disk: join(folder, 'disk.qcow2'), variables: join(folder, 'variables.fd'), state: join(folder, 'state') });

async function makeBox(baseDisk: string, emulator: Emulator, options: BoxOptions, variables = emulator.firmware.variables): Promise<Box> {
  sweepStalePlaces();
  const place = makePlace();
  const disks = await makeDisks(place, baseDisk, options);
  copyFileSync(variables, join(place.scratch, 'variables.fd'));
  const { cpus = 1, memoryMiB = 2048, nics = 1, sticks = [], screen = false, watchdog = false, vendorStrings = [], firmwareFiles = {}, servers = {} } = options;
  const tunings: Tuning[] = [options.isUntouched ? untouched : options.isGated ? gated : tuned, ...(options.isPatient ? [patient] : [])];
  const kernelOptions = [...tunings.flatMap((tuning) => tuning.kernelOptions), ...(options.kernelOptions ?? [])];
  const hardware = { cpus, memoryMiB, nics, sticks, screen, watchdog, vendorStrings: [...tunings.flatMap((tuning) => tuning.vendorStrings), ...vendorStrings], firmwareFiles, servers, kernelOptions, disks, port: await freePort() };
  return new Box(place, emulator, hardware);
}

/** A new box for one test. It is closed at the end; when the test fails, what its serial port and service said is shown. */
export async function withBox(options: BoxOptions, work: (box: Box) => Promise<void>): Promise<void> {
  await closing(await openBox(options), work);
}

/** As `withBox`, with a box that is on and ready. */
export async function withReadyBox(options: ReadyOptions, work: (box: Box) => Promise<void>): Promise<void> {
  await closing(await openReadyBox(options), work);
}

async function closing(box: Box, work: (box: Box) => Promise<void>): Promise<void> {
  try {
    await work(box);
  } catch (error) {
    console.log(await box.logs());
    throw error;
  } finally {
    await box.close();
  }
}

async function makeDisks(place: Place, baseDisk: string, { diskGiB = 16, furtherDisks = [] }: BoxOptions): Promise<string[]> {
  const paths = [diskGiB, ...furtherDisks].map((size, index) => ({ size, path: join(place.scratch, `disk${index}.qcow2`) }));
  for (const [index, { size, path }] of paths.entries()) {
    await build(['qemu-img', 'create', '-q', '-f', 'qcow2', ...(index === 0 ? ['-b', baseDisk, '-F', 'qcow2'] : []), path, `${size}G`]);
  }
  return paths.map(({ path }) => path);
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no port is free');
  return address.port;
}

export class Box extends ApiClient {
  readonly folder: string;
  /** May be changed while the box is off: a stick more, another disk. */
  readonly hardware: Hardware;
  readonly #place: Place;
  readonly #emulator: Emulator;
  readonly #agent: GuestAgent;
  #machine: Machine | undefined;
  #certificate = '';
  #tokens = 0;

  constructor(place: Place, emulator: Emulator, hardware: Hardware) {
    super((path, init) => this.#send(path, init), { patienceMs, pollMs: 4000 });
    this.folder = place.scratch;
    this.hardware = hardware;
    this.#place = place;
    this.#emulator = emulator;
    this.#agent = new GuestAgent(join(this.folder, 'agent.sock'));
  }

  get machine(): Machine {
    if (!this.#machine) throw new Error('the box is off');
    return this.#machine;
  }

  async switchOn(): Promise<void> {
    if (this.#machine) throw new Error('the box is on already');
    this.#machine = await Machine.start(this.#emulator, this.hardware, this.folder);
  }

  /** As `switchOn`, from where a box of the same hardware was saved. */
  async goOn(state: string): Promise<void> {
    this.#machine = await Machine.start(this.#emulator, this.hardware, this.folder, state);
    await this.inside(`date -s @${Math.ceil(Date.now() / 1000)}`);
    await this.answers();
  }

  /** Ends it, so that others can go on from there. */
  async saveTo({ disk, variables, state }: Saved): Promise<void> {
    await this.inside('sync; echo 3 >/proc/sys/vm/drop_caches');
    await this.machine.save(state);
    this.#machine = undefined;
    copyFileSync(join(this.folder, 'disk0.qcow2'), disk);
    copyFileSync(join(this.folder, 'variables.fd'), variables);
  }

  /** Lets time pass. */
  runFor(seconds: number): Promise<void> {
    return sleep(seconds * 1000);
  }

  async pullPlug(): Promise<void> {
    await this.machine.pullPlug();
    this.#machine = undefined;
  }

  /** Presses the power button and waits until it is off. */
  async pressPower(timeoutMs = patienceMs): Promise<void> {
    await this.machine.monitor.command('system_powerdown');
    const gone = await Promise.race([this.machine.process.ended, sleep(timeoutMs, undefined, { ref: false })]);
    if (!gone) throw new Error('the box did not switch itself off');
    this.#machine = undefined;
  }

  /** Waits until its API answers, and pins the certificate that it shows from then on. */
  async answers(timeoutMs = patienceMs): Promise<void> {
    await this.until('the box answers', async () => {
      if (!this.#certificate) await this.#pinCertificate();
      return this.#certificate !== '' && (await this.api('GET', 'healthz').catch(() => undefined)) !== undefined;
    }, timeoutMs);
  }

  /**
   * Whether all parts of it work, by its own word; false also when it says nothing. Its whole verdict also counts how long its
   * event loop was held up, which here tells more of the machine that emulates it.
   */
  async works(): Promise<boolean> {
    const reply = await this.api<Health>('GET', 'healthz').catch(() => undefined);
    return reply?.body.isDatabaseWritable === true && reply.body.isHypervisorConnected === true;
  }

  /** Root's way to the certificate: the network could show any. */
  async #pinCertificate(): Promise<void> {
    const { code, stdout } = await this.#agent.shell('cat /var/lib/bothy/tls/cert.pem', 20_000).catch(() => ({ code: -1, stdout: '' }));
    if (code === 0) this.#certificate = stdout;
  }

  /** Takes the place of the person who types the set-up code, and makes an API token as root. */
  async setUp(): Promise<void> {
    const { code } = await this.asRoot<{ code: string }>('GET', '/setup-code');
    await this.must('POST', '/setup', { code, password: adminPassword });
    await this.signIn();
  }

  async signIn(): Promise<void> {
    this.token = (await this.asRoot<{ token: string }>('POST', '/tokens', { name: `lab-${++this.#tokens}` })).token;
  }

  /**
   * A request over the socket that only root can open, as the command line sends it, but without the command line: to start Node
   * costs an emulated processor more than anything that it could ask.
   */
  async asRoot<T>(method: string, path: string, body?: object): Promise<T> {
    const content = body ? JSON.stringify(body) : '';
    const request = `${method} /api/v1${path} HTTP/1.0\r\nhost: bothy\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(content)}\r\n\r\n${content}`;
    const send = '$s = IO::Socket::UNIX->new(Peer => "/var/lib/bothy/run/bothy.sock") or die $!; print $s <STDIN>; print while <$s>';
    const answer = await this.inside(`echo ${Buffer.from(request).toString('base64')} | base64 -d | perl -MIO::Socket::UNIX -e '${send}'`);
    const [head = '', text = ''] = answer.split(/\r\n\r\n(.*)/s);
    if (!/^HTTP\/1\.1 2/.test(head)) throw new Error(`in the box: ${method} ${path}: ${answer}`);
    return JSON.parse(text) as T; // the caller names the answer of its own request
  }

  /** A line of shell as root in the box; rejects unless it ends with 0. */
  async inside(line: string, timeoutMs = patienceMs): Promise<string> {
    const { code, stdout, stderr } = await this.#agent.shell(line, timeoutMs);
    if (code === 0) return stdout;
    throw new Error(`in the box: ${line}: exit ${code}\n${stdout}${stderr}`);
  }

  /** All that its serial port has said, in all its lives. */
  serial(): string {
    const path = join(this.folder, 'serial.log');
    return existsSync(path) ? readFileSync(path, 'utf8') : '';
  }

  async serialSays(pattern: RegExp, timeoutMs = patienceMs): Promise<RegExpExecArray> {
    return this.until(`the serial port says ${pattern}`, async () => pattern.exec(this.serial()) ?? false, timeoutMs);
  }

  async logs(): Promise<string> {
    const journal = await this.#agent.shell('journalctl -b --no-pager -o short-monotonic | grep -v qemu-ga | tail -n 80; systemctl --failed --no-pager', 300_000).catch((error: Error) => ({ stdout: error.message }));
    const events = this.#machine?.monitor.events.map(({ name }) => name).join(' ') ?? 'the box is off';
    return `--- machine: ${events}\n${this.#machine?.process.output() ?? ''}\n--- serial\n${this.serial().slice(-4000)}\n--- journal\n${journal.stdout}`;
  }

  async close(): Promise<void> {
    await this.#machine?.pullPlug();
    this.#machine = undefined;
    removePlace(this.#place);
  }

  async #send(path: string, init: RequestInit): Promise<Response> {
    return pinnedFetch({ port: this.hardware.port, certificate: this.#certificate, timeoutMs: 300_000 }, path, init);
  }
}
