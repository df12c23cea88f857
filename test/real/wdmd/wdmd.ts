/**
 * The real wdmd on a device that is pretended (device.c). It and the one who speaks with it must see a /run of their own, so the test that
 * wants it starts itself again by `inOwnRun`. The package is unpacked, not installed: its services are not this machine's business.
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type RackProcess, runProcess, startProcess } from '../../process.ts';
import { build, cached } from '../guest/cache.ts';
import { checkout } from '../rack-host.ts';

const insideName = 'BOTHY_TEST_OWN_RUN';

/** True in the process that may go on; elsewhere the whole file has run in such a one when this resolves. */
export async function inOwnRun(file: string): Promise<boolean> {
  if (process.env[insideName]) return true;
  const root = await unpack();
  const argv = ['unshare', '--mount', '--propagation', 'private', 'sh', '-c', 'mount -t tmpfs tmpfs /run && mount -t tmpfs tmpfs /dev/shm && exec "$@"', 'sh', process.execPath, file];
  const env = { ...process.env, [insideName]: root, LD_LIBRARY_PATH: libraryFolder(root) };
  const { code, stdout, stderr } = await runProcess(argv, { env, timeoutMs: 300_000 });
  process.stdout.write(stdout);
  process.stderr.write(stderr);
  process.exitCode = code;
  return false;
}

const libraryFolder = (root: string) => join(root, 'usr/lib', readdirSync(join(root, 'usr/lib')).find((name) => name.endsWith('-linux-gnu')) ?? '');

async function unpack(): Promise<string> {
  const source = join(checkout, 'test/real/wdmd/device.c');
  return cached({ name: 'wdmd', suffix: '', ingredients: [readFileSync(source, 'utf8'), readFileSync('/etc/debian_version', 'utf8')] }, async (folder) => {
    mkdirSync(folder);
    await build(['sh', '-c', `cd '${folder}' && apt-get -q download sanlock libsanlock1 && for each in *.deb; do dpkg-deb -x "$each" .; done && rm *.deb`], 300_000);
    await build(['cc', '-O1', '-shared', '-fPIC', '-o', join(folder, 'device.so'), source, '-ldl']);
  });
}

export class Wdmd {
  readonly #process: RackProcess;
  readonly #program: string;

  private constructor(process: RackProcess, program: string) {
    this.#process = process;
    this.#program = program;
  }

  static async start(): Promise<Wdmd> {
    const root = process.env[insideName];
    if (!root) throw new Error('wdmd must not speak with the services of this machine');
    const program = join(root, 'usr/sbin/wdmd');
    const device = '/run/pretended-watchdog';
    writeFileSync(device, '');
    const started = startProcess([program, '-D', '-H', '0', '-G', 'root', '-w', device], { env: { ...process.env, LD_PRELOAD: join(root, 'device.so') } });
    const wdmd = new Wdmd(started, program);
    for (let tries = 0; tries < 100; tries++) {
      if ((await wdmd.dump()).includes('name listen')) return wdmd;
      await sleep(50);
    }
    throw new Error(`wdmd does not answer: ${started.output()}`);
  }

  /** Its clients by its own word. */
  async dump(): Promise<string> {
    return (await runProcess([this.#program, '-d'], { env: process.env, timeoutMs: 10_000 })).stdout;
  }

  /** What it has said, with the time that stands before it taken away, as syslog gets it. */
  said(): string[] {
    return this.#process.output().split('\n').map((line) => line.replace(/^\d+ /, ''));
  }

  async end(): Promise<void> {
    await this.#process.end();
    await runProcess(['rm', '-rf', '/dev/shm/wdmd', '/run/wdmd'], { timeoutMs: 10_000 }); // it refuses to start where another one was killed
  }
}
