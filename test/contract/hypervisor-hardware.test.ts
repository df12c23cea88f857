/**
 * A guest's TPM, floppy disk, watchdog and crashes: the same cases on the simulated hypervisor and on real libvirt, QEMU and swtpm in a rack host.
 */
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { systemClock } from '../../appliance/core/clock.ts';
import { floppyXml } from '../../appliance/vm/definition/device-xml.ts';
import { printXml } from '../../appliance/vm/definition/xml.ts';
import type { Hypervisor, HypervisorEvent } from '../../appliance/world.ts';
import { real } from '../real/count.ts';
import { diskXml, guestXml, openNativeHost, refusal, uuidOf, writeBootDisk } from '../real/native-host.ts';
import { createSimulatedHypervisor } from '../world/hypervisor.ts';
import { createSimulatedLibvirt } from '../world/libvirt.ts';
import { find, findAll, parseXml } from '../world/xml.ts';

interface Parts {
  name: string;
  hypervisor: Hypervisor;
  /** A folder that QEMU can read. */
  folder: string;
  /** Differs for each TPM that was made; `undefined` where nothing of one is kept. */
  keptTpm(guest: number): Promise<string | undefined>;
  /** A boot disk whose guest does `code` at once, and what makes a simulated one do the same. */
  bootDisk(code: readonly number[]): string;
  makeIt: { fireWatchdog(guest: string): void; panic(guest: string): void };
  close(): Promise<void>;
  count(): void;
}

function createSimulatedParts(): Parts {
  const folder = mkdtempSync(join(tmpdir(), 'bothy-contract-'));
  const libvirt = createSimulatedLibvirt({ clock: systemClock, guests: { shutdownMs: 'never' } }); // a guest without a system
  return {
    name: 'simulated', hypervisor: createSimulatedHypervisor(libvirt), folder, bootDisk: () => '', makeIt: libvirt, keptTpm: async (guest) => libvirt.tpms.get(uuidOf(guest)),
    close: async () => rmSync(folder, { recursive: true }), count: () => {},
  };
}

async function createRealParts(): Promise<Parts> {
  const { host, libvirt: hypervisor, close } = await openNativeHost();
  return {
    name: 'libvirt', hypervisor, folder: host.scratch, close, count: () => real('libvirt'), makeIt: { fireWatchdog: () => {}, panic: () => {} },
    bootDisk(code) {
      const path = host.path(`boot-${code.join('-')}.raw`);
      writeBootDisk(path, code, 1 << 20);
      return diskXml(path);
    },
    async keptTpm(guest) {
      const { code } = await host.run(['test', '-s', `/var/lib/libvirt/swtpm/${uuidOf(guest)}/tpm2/tpm2-00.permall`]);
      // swtpm_setup writes a line for each that it makes.
      return code === 0 ? (await host.must(['grep', '-c', 'Starting vTPM manufacturing', `/var/log/swtpm/libvirt/qemu/guest-${guest}-swtpm.log`])).trim() : undefined;
    },
  };
}

/** mov dx, 0x443 / mov al, 15 / out dx, al / hlt: an iB700 watchdog with no time left. */
const armWatchdog = [0xba, 0x43, 0x04, 0xb0, 0x0f, 0xee, 0xf4];
/** mov dx, 0x505 / mov al, 1 / out dx, al / hlt: what a system writes there when it panics. */
const panic = [0xba, 0x05, 0x05, 0xb0, 0x01, 0xee, 0xf4];

const tpm = (model: string) => `<tpm model='${model}'><backend type='emulator' version='2.0' persistent_state='yes'/></tpm>`;

function defineCases({ hypervisor, folder, keptTpm, ...parts }: Parts): void {
  const test = suite(`a guest's TPM, floppy disk and memory, ${parts.name}`);
  const treeOf = async (uuid: string) => parseXml(await hypervisor.domainXml(uuid));
  test.after.each(async () => {
    await Promise.all((await hypervisor.domains()).map(({ uuid }) => hypervisor.destroy(uuid)));
    parts.count();
  });
  test.after(async () => {
    await hypervisor.close();
    await parts.close();
  });

  test('tells which TPM a guest can have', async () => {
    assert.equal([...(await hypervisor.facts()).tpmModels].sort(), ['tpm-crb', 'tpm-tis']);
  });

  test('tells which processor models QEMU knows', async () => {
    const { cpuModels } = await hypervisor.facts();
    for (const name of ['qemu64', 'Nehalem', 'Conroe', 'EPYC-Rome', 'Opteron_G1']) assert.ok(cpuModels.some((model) => model.name === name), `${name} is not among ${cpuModels.map((model) => model.name).join(' ')}`);
    assert.is(new Set(cpuModels.map(({ name }) => name)).size, cpuModels.length);
    assert.ok(cpuModels.some(({ isUsable }) => isUsable));
  });

  test('what a TPM keeps outlives its guest, whichever way that speaks to it, and goes when it is told to', async () => {
    await hypervisor.create(guestXml(1, { devices: tpm('tpm-crb') }));
    const made = await keptTpm(1);
    assert.ok(made !== undefined);
    assert.is((await refusal(hypervisor.forgetTpm(uuidOf(1)))).kind, 'other', 'it is in use');
    await hypervisor.destroy(uuidOf(1));
    assert.is(await keptTpm(1), made);
    await hypervisor.create(guestXml(1, { devices: tpm('tpm-tis') }));
    assert.is(await keptTpm(1), made, 'no other was made');
    await hypervisor.destroy(uuidOf(1));
    await hypervisor.forgetTpm(uuidOf(1));
    assert.is(await keptTpm(1), undefined);
    assert.equal((await hypervisor.domains()).map(({ uuid }) => uuid), [], 'nothing else is left');
    await hypervisor.forgetTpm(uuidOf(1));
    await hypervisor.create(guestXml(1, { devices: tpm('tpm-crb') }));
    const again = await keptTpm(1);
    assert.ok(again !== undefined && again !== made);
  });

  test('a floppy disk is put in, changed and ejected', async () => {
    const [one, other] = ['one.img', 'other.img'].map((name) => {
      writeFileSync(join(folder, name), '');
      truncateSync(join(folder, name), 1440 * 1024);
      return join(folder, name);
    }) as [string, string];
    await hypervisor.create(guestXml(2, { devices: printXml(floppyXml(null)) }));
    const inside = async () => findAll(await treeOf(uuidOf(2)), 'devices/disk').filter(({ attributes }) => attributes['device'] === 'floppy').map((disk) => find(disk, 'source')?.attributes['file']);
    assert.equal(await inside(), [undefined]);
    for (const path of [one, other, other, null]) {
      await hypervisor.updateDevice(uuidOf(2), printXml(floppyXml(path)));
      assert.equal(await inside(), [path ?? undefined]);
    }
    assert.match((await refusal(hypervisor.create(guestXml(3, { devices: printXml(floppyXml(join(folder, 'none.img'))) })))).message, /none\.img/);
  });

  /** What is told of a guest that is started by `work`, up to `last`. */
  async function toldOf(guest: string, last: string, work: () => Promise<void>): Promise<string[]> {
    const words: string[] = [];
    const stop = hypervisor.onEvent((event) => words.push(...wordsOf(event, guest)));
    await work();
    for (let tries = 0; !words.join(', ').endsWith(last); tries++) {
      assert.ok(tries < 600, `no "${last}" at the end of "${words.join(', ')}"`);
      await systemClock.sleep(50);
    }
    stop();
    return words;
  }

  const actions = { reset: ['reset'], poweroff: ['poweroff', 'stopped failed'], shutdown: ['shutdown'], pause: ['pause', 'suspended watchdog'], 'inject-nmi': ['inject-nmi'], none: ['none'] };
  for (const [index, [action, told]] of Object.entries(actions).entries()) {
    test(`a watchdog that is not answered: ${action}`, async () => {
      const [last] = told.slice(-1).map((word) => (told.length === 1 ? `watchdog ${word}` : word)) as [string];
      const words = await toldOf(`guest-${10 + index}`, last, async () => {
        await hypervisor.create(guestXml(10 + index, { devices: `${parts.bootDisk(armWatchdog)}<watchdog model='ib700' action='${action}'/>` }));
        parts.makeIt.fireWatchdog(`guest-${10 + index}`);
      });
      assert.equal(words, ['resumed unpaused', 'started booted', `watchdog ${action}`, ...told.slice(1)]);
      const [domain] = await hypervisor.domains();
      assert.equal(domain && [domain.state, domain.reason], action === 'poweroff' ? undefined : action === 'pause' ? ['paused', 'watchdog'] : ['running', 'booted']);
    });
  }

  for (const [index, machine] of ['q35', 'pc'].entries()) {
    test(`a guest on ${machine} whose system crashes says so, and starts anew`, async () => {
      const words = await toldOf(`guest-${20 + index}`, 'crashed panicked, resumed unpaused', async () => {
        await hypervisor.create(withPanic(20 + index, machine, parts.bootDisk(panic)));
        parts.makeIt.panic(`guest-${20 + index}`);
      });
      assert.equal(words.slice(0, 4), ['resumed unpaused', 'started booted', 'crashed panicked', 'resumed unpaused']);
      const [domain] = await hypervisor.domains();
      assert.equal(domain && [domain.state, domain.reason], ['running', 'crashed']);
    });
  }

  test.run();
}

/** But for resets, which a firmware also makes, and for QEMU's own stop before a crash, which is told or not. */
function wordsOf(event: HypervisorEvent, guest: string): string[] {
  if (event.type === 'watchdog') return [`watchdog ${event.action}`];
  return event.type === 'lifecycle' && event.name === guest && event.detail !== 'paused' ? [`${event.event} ${event.detail}`] : [];
}

const withPanic = (guest: number, machine: string, devices: string) => guestXml(guest, { devices: `${devices}<panic model='isa'/>` }).replace('<devices>', '<on_crash>restart</on_crash><devices>').replace("machine='q35'", `machine='${machine}'`);

const allParts = [createSimulatedParts(), await createRealParts()];
for (const parts of allParts) defineCases(parts);
