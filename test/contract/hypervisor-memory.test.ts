/**
 * A guest's memory in a file: the same cases on the simulated hypervisor and on libvirt and QEMU. The guest shows one sign more for each key that is pressed, which
 * is how it shows that it is still the same one.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { systemClock } from '../../appliance/core/clock.ts';
import { MiB } from '../../appliance/core/units.ts';
import type { Hypervisor, HypervisorEvent } from '../../appliance/world.ts';
import { real } from '../real/count.ts';
import { diskXml, guestXml, openNativeHost, refusal, signalQemu, uuidOf, waitForEvent, writeBootDisk } from '../real/native-host.ts';
import { createSimulatedHypervisor } from '../world/hypervisor.ts';
import { createSimulatedLibvirt } from '../world/libvirt.ts';

interface Parts {
  name: string;
  hypervisor: Hypervisor;
  events: HypervisorEvent[];
  folder: string;
  /** Its QEMU is stopped before it writes anything, so that what comes next meets a save that is under way. */
  holdSave(guest: string, isHeld: boolean): Promise<void>;
  killQemu(guest: string): Promise<void>;
  close(): Promise<void>;
  count(): void;
}

function createSimulatedParts(): Parts {
  const folder = mkdtempSync(join(tmpdir(), 'bothy-contract-'));
  const libvirt = createSimulatedLibvirt({ clock: systemClock, guests: { saveMs: 50 } });
  const hypervisor = createSimulatedHypervisor(libvirt);
  const events: HypervisorEvent[] = [];
  hypervisor.onEvent((event) => events.push(event));
  return {
    name: 'simulated', hypervisor, events, folder,
    holdSave: async (guest, isHeld) => libvirt.behave({ saveMs: isHeld ? 2_000 : 50 }, guest),
    killQemu: async (guest) => libvirt.killQemu(guest),
    close: async () => rmSync(folder, { recursive: true }), count: () => {},
  };
}

async function createRealParts(): Promise<Parts> {
  const { host, libvirt: hypervisor, events, close } = await openNativeHost();
  return {
    name: 'libvirt', hypervisor, events, folder: host.scratch, close,
    holdSave: (guest, isHeld) => signalQemu(host, guest, isHeld ? 'STOP' : 'CONT'),
    killQemu: async (guest) => void await host.must(['sh', '-c', `kill -9 $(cat /run/libvirt/qemu/${guest}.pid)`]),
    count: () => real('libvirt', 'qemu'),
  };
}

async function eventually(isTrue: () => Promise<boolean>, what: string): Promise<void> {
  for (let tries = 0; tries < 800; tries++) {
    if (await isTrue()) return;
    await systemClock.sleep(25);
  }
  assert.unreachable(what);
}

const a = 30;
/** next: xor ah, ah / int 0x16 / inc byte [0x7c40] / mov al, [0x7c40] / mov ah, 0x0e / int 0x10 / jmp next. With a byte of its own to count in. */
const counter = [0x31, 0xdb, 0x8e, 0xdb, 0x30, 0xe4, 0xcd, 0x16, 0xfe, 0x06, 0x40, 0x7c, 0xa0, 0x40, 0x7c, 0xb4, 0x0e, 0xcd, 0x10, 0xeb, 0xef, ...Array.from({ length: 0x40 - 21 }, () => 0), 0x40];
const display = `<video><model type='vga'/></video><graphics type='vnc'><listen type='socket'/></graphics>`;

function defineCases({ hypervisor, events, folder, ...parts }: Parts): void {
  const test = suite(`memory of a guest, ${parts.name}`);
  const changes = (uuid: string) => events.flatMap((event) => (event.type === 'lifecycle' && event.uuid === uuid ? [`${event.event} ${event.detail}`] : []));
  const stateOf = async (uuid: string) => (await hypervisor.domains()).filter((domain) => domain.uuid === uuid).map(({ state, reason }) => `${state} ${reason}`)[0];
  const start = async (number: number) => {
    const path = join(folder, `boot-${number}.raw`);
    writeBootDisk(path, counter, MiB);
    await hypervisor.create(guestXml(number, { devices: diskXml(path) + display }));
    const uuid = uuidOf(number);
    await pressUntilSeen(uuid);
    return uuid;
  };
  const screen = async (uuid: string) => Buffer.from(await hypervisor.screenshot(uuid)).toString('base64');
  /** All that is seen in a while: a cursor blinks. */
  const screens = async (uuid: string) => {
    const seen = new Set<string>();
    for (let look = 0; look < 12; look++) {
      seen.add(await screen(uuid));
      await systemClock.sleep(60);
    }
    return seen;
  };
  /** The guest has come so far that it hears keys, and has shown one more sign. */
  const pressUntilSeen = async (uuid: string) => {
    const before = await screens(uuid);
    await eventually(async () => {
      await hypervisor.sendKeys(uuid, [a]);
      await systemClock.sleep(200);
      return ![...(await screens(uuid))].some((image) => before.has(image));
    }, 'the guest hears a key');
  };

  test.before.each(() => { events.length = 0; });
  test.after.each(async () => {
    for (const { uuid } of await hypervisor.domains()) await hypervisor.destroy(uuid);
    parts.count();
  });
  test.after(async () => {
    await hypervisor.close();
    await parts.close();
  });

  test('what is saved comes back as it was, standing still until it is resumed', async () => {
    const uuid = await start(1);
    const path = join(folder, 'one.save');
    const before = await screens(uuid);
    events.length = 0;
    await hypervisor.saveMemory(uuid, path);
    await waitForEvent(events, 'lifecycle', (event) => event.uuid === uuid && event.event === 'stopped');
    assert.equal([await stateOf(uuid), changes(uuid)], [undefined, ['suspended paused', 'stopped saved']]);
    const xml = await hypervisor.savedXml(path);
    assert.match(xml, /<name>guest-1<\/name>/);
    events.length = 0;
    await hypervisor.restoreMemory(uuid, path, xml);
    await waitForEvent(events, 'lifecycle', (event) => event.uuid === uuid && event.event === 'suspended');
    assert.equal([await stateOf(uuid), changes(uuid)], ['paused migration', ['started restored', 'suspended restored']]);
    assert.ok(existsSync(path), 'the file stays');
    assert.is((await refusal(hypervisor.restoreMemory(uuid, path, xml))).kind, 'exists');
    await hypervisor.resume(uuid);
    assert.is(await stateOf(uuid), 'running unpaused');
    assert.ok([...(await screens(uuid))].some((image) => before.has(image)), 'it shows what it showed');
    await pressUntilSeen(uuid);
  });

  test('a file that is cut off, another one or none is refused, and nothing runs', async () => {
    const uuid = await start(2);
    const path = join(folder, 'two.save');
    await hypervisor.saveMemory(uuid, path);
    const xml = await hypervisor.savedXml(path);
    const none = await refusal(hypervisor.savedXml(join(folder, 'none.save')));
    assert.equal([none.kind, none.code], ['other', 38], none.message);
    const whole = readFileSync(path);
    writeFileSync(path, 'nothing of the kind');
    const foreign = await refusal(hypervisor.savedXml(path));
    assert.equal([foreign.kind, foreign.code, foreign.message], ['other', 9, 'operation failed: failed to read qemu header']);
    writeFileSync(path, whole);
    truncateSync(path, Math.floor(statSync(path).size / 2));
    const cut = await refusal(hypervisor.restoreMemory(uuid, path, xml));
    assert.equal([cut.kind, cut.code], ['other', 1], cut.message);
    assert.is(await stateOf(uuid), undefined);
  });

  test('a save that is aborted lets the guest go on, and leaves no file', async () => {
    const uuid = await start(3);
    const path = join(folder, 'three.save');
    events.length = 0;
    await parts.holdSave('guest-3', true);
    const saving = refusal(hypervisor.saveMemory(uuid, path));
    await systemClock.sleep(300);
    const aborting = hypervisor.abortSave(uuid);
    await parts.holdSave('guest-3', false);
    await aborting;
    const error = await saving;
    assert.equal([error.kind, error.code, error.message], ['other', 78, `operation aborted: job 'domain save' canceled by client`]);
    await eventually(async () => (await stateOf(uuid))?.startsWith('running') ?? false, 'it runs');
    assert.equal([changes(uuid), existsSync(path)], [['suspended paused', 'resumed unpaused'], false]);
    await pressUntilSeen(uuid);
    assert.is((await refusal(hypervisor.abortSave(uuid))).kind, 'invalid-operation');
  });

  test('a QEMU that dies over it leaves no file', async () => {
    const uuid = await start(4);
    const path = join(folder, 'four.save');
    await parts.holdSave('guest-4', true);
    const saving = refusal(hypervisor.saveMemory(uuid, path));
    await systemClock.sleep(300);
    await parts.killQemu('guest-4');
    const error = await saving;
    assert.is(error.kind, 'other', error.message);
    await eventually(async () => (await stateOf(uuid)) === undefined, 'it is gone');
    assert.not.ok(existsSync(path));
  });

  test('a guest that stands still is saved, too', async () => {
    const uuid = await start(5);
    await hypervisor.suspend(uuid);
    const path = join(folder, 'five.save');
    await hypervisor.saveMemory(uuid, path);
    await hypervisor.restoreMemory(uuid, path, await hypervisor.savedXml(path));
    assert.is(await stateOf(uuid), 'paused migration');
  });

  test.run();
}

defineCases(createSimulatedParts());
defineCases(await createRealParts());
