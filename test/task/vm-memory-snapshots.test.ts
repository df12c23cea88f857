/** Snapshots with memory: cut at any instant, failing at any step, and by kills of QEMU and of the host. Either the whole snapshot is there, or nothing of it. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { diskAttach, snapshotCommit, snapshotCreate, snapshotDelete, snapshotPreview, snapshotUndo, vmPowerOff, vmStart, vmSuspend } from '../../appliance/vm/operations.ts';
import { createVirtualClock } from '../world/clock.ts';
import { createSimulatedHost, type SimulatedHost } from '../world/world.ts';
import { checkKills, checkTask, type Life, type Lived, openLife, settle } from './harness.ts';
import { chainFaults, liveFaults, runningGuestWrites, shownBy } from './snapshot-site.ts';
import { begin, carryOut, makeVm, observeSite, openVmSite, perform, remember, type VmSite } from './vm-site.ts';

const vm = 'web-1';
const MiB = 2 ** 20;
// biome-ignore lint/suspicious/noExplicitAny: plain data made by `observe`
type Plain = any;

async function observe(site: VmSite, life: Life): Promise<Plain> {
  const { snapshots, rows } = site.services;
  const { id } = rows.require(vm);
  const observed = {
    site: observeSite(site, life), shown: await shownBy(site, vm, life.world.imageTool), faults: [...await chainFaults(site, vm), ...liveFaults(site, life.host, vm)],
    snapshots: snapshots.of(id), present: snapshots.present(id), layers: rows.disks(id).map(({ diskId }) => site.storage.layers.of(diskId)),
    files: readdirSync(join(life.core.statePath, 'vms', id)), keys: life.host.libvirt.domains().map(({ keys, state }) => ({ keys, state })), held: rows.require(vm).fact.heldFrom,
  };
  // Whether somebody saw how long the guest stood still depends on who was alive.
  return JSON.parse(JSON.stringify(observed, (key, value) => (['createdAt', 'savedAt', 'bytes', 'heldMs'].includes(key) ? undefined : value)).replace(/memory-[0-9a-f-]{36}\.save/g, 'memory.save'));
}
const common = { open: (life: Life) => openVmSite(life), observe };
const press = async (site: VmSite, life: Life, key: number) => life.world.hypervisor.sendKeys(site.services.rows.require(vm).id, [key]);
const writes = (life: Life, value: number) => Promise.all([0, 1].map((disk) => runningGuestWrites(life.host, { vm, disk, block: value, value })));

async function running(site: VmSite, life: Life): Promise<void> {
  makeVm(site, { firmware: 'efi', disks: [{ sizeBytes: MiB }, { sizeBytes: MiB, format: 'raw', allocation: 'preallocated' }] });
  await settle(life);
  await carryOut(site, life, vmStart, { vm });
  remember(site, vm, 'first');
  await press(site, life, 30);
  await writes(life, 1);
}

/** The guest goes on after the snapshot, and is off then. */
async function kept(site: VmSite, life: Life): Promise<void> {
  await running(site, life);
  await carryOut(site, life, snapshotCreate, { vm, name: 'one', memory: true });
  await press(site, life, 31);
  await writes(life, 2);
  remember(site, vm, 'later');
  await carryOut(site, life, vmPowerOff, { vm });
}
const previewed = async (site: VmSite, life: Life) => {
  await kept(site, life);
  await carryOut(site, life, snapshotPreview, { vm, snapshot: 'one' });
};

checkTask<VmSite>(test, { ...common, name: 'vm.snapshot with memory', prepare: running, begin: (site) => begin(site, snapshotCreate, { vm, name: 'one', memory: true }) });
const kills = (name: string, prepare: (site: VmSite, life: Life) => Promise<void>, start: (site: VmSite) => string) => test(`${name} ends the same after a power cut at any instant`, () => checkKills<VmSite>({ ...common, name, prepare, begin: start }));
kills('vm.preview-snapshot with memory', kept, (site) => begin(site, snapshotPreview, { vm, snapshot: 'one' }));
kills('vm.undo-snapshot of one with memory', previewed, (site) => begin(site, snapshotUndo, { vm, snapshot: 'one' }));
kills('vm.delete-snapshot with memory', kept, (site) => begin(site, snapshotDelete, { vm, snapshot: 'one' }));
kills('vm.restore from a snapshot', previewed, (site) => begin(site, vmStart, { vm }));

/** Until nothing more happens. */
const rest = async (life: Life) => {
  await settle(life);
  await life.clock.advance(40_000);
};

async function inOneHost(play: (host: SimulatedHost, live: () => Promise<{ site: VmSite; life: Lived }>) => Promise<void>): Promise<void> {
  const statePath = mkdtempSync(join(tmpdir(), 'bothy-memory-'));
  const clock = createVirtualClock();
  const host = createSimulatedHost({ clock, statePath });
  const lives: Lived[] = [];
  try {
    await play(host, async () => {
      const life = openLife({ host, clock, statePath }, async () => {});
      lives.push(life);
      const site = await openVmSite(life);
      life.core.tasks.resume();
      return { site, life };
    });
  } finally {
    for (const life of lives) if (!life.signal.aborted) life.end();
    rmSync(statePath, { recursive: true, force: true, maxRetries: 5 });
  }
}

const standing = ({ services }: VmSite) => { const { state, reason } = services.rows.require(vm).fact; return `${state}/${reason}`; };
const keysOf = ({ libvirt }: SimulatedHost) => libvirt.domains()[0]?.keys;
const memoryFiles = (life: Life, site: VmSite) => readdirSync(join(life.core.statePath, 'vms', site.services.rows.require(vm).id)).filter((name) => name.startsWith('memory-')).length;

test('the guest goes on where it stood then, as often as one goes back; undo, commit and deletion are as of any', () => inOneHost(async (host, live) => {
  const { site, life } = await live();
  await running(site, life);
  await carryOut(site, life, snapshotCreate, { vm, name: 'one', memory: true });
  const [row] = site.services.snapshots.of(site.services.rows.require(vm).id);
  assert.ok(row?.memory && row.memory.bytes > 0 && row.memory.heldMs === 500, JSON.stringify(row?.memory));
  assert.is(standing(site), 'up/running');
  await press(site, life, 31);
  await carryOut(site, life, snapshotCreate, { vm, name: 'two', memory: true });
  await carryOut(site, life, vmPowerOff, { vm });
  for (const [name, keys] of [['two', [[30], [31]]], ['one', [[30]]], ['one', [[30]]]] as const) {
    await carryOut(site, life, snapshotPreview, { vm, snapshot: name });
    assert.is(standing(site), 'saved/snapshot');
    await carryOut(site, life, vmStart, { vm });
    assert.equal([standing(site), keysOf(host)], ['up/running', keys], name);
    await carryOut(site, life, vmPowerOff, { vm });
    await carryOut(site, life, snapshotUndo, { vm, snapshot: name });
    await settle(life);
  }
  await carryOut(site, life, snapshotDelete, { vm, snapshot: 'one' }); // what lies below the other
  assert.is(memoryFiles(life, site), 1);
  await carryOut(site, life, snapshotPreview, { vm, snapshot: 'two' });
  await carryOut(site, life, snapshotCommit, { vm, snapshot: 'two' });
  await settle(life);
  await carryOut(site, life, vmStart, { vm });
  assert.equal(keysOf(host), [[30], [31]]);
  await carryOut(site, life, vmPowerOff, { vm });
  await carryOut(site, life, snapshotPreview, { vm, snapshot: 'two', memory: false });
  assert.is(standing(site), 'down/power-off');
  await carryOut(site, life, vmStart, { vm });
  assert.equal(keysOf(host), [], 'as after a power cut');
  await carryOut(site, life, vmSuspend, { vm });
  assert.throws(() => begin(site, snapshotUndo, { vm, snapshot: 'two' }), /is suspended. Discard its memory first/);
}));

test('QEMU dies over it, the disk is full, somebody cancels, the host loses power: nothing is left of the snapshot, and what the guest had is there', () => inOneHost(async (host, live) => {
  let { site, life } = await live();
  await running(site, life);
  const cut = async (how: 'qemu' | 'full' | 'cancel' | 'power') => {
    const before = (await shownBy(site, vm, host.imageTool)).present;
    const id = begin(site, snapshotCreate, { vm, name: how, memory: true });
    await life.clock.advance(300);
    if (how === 'qemu') host.libvirt.killQemu(vm);
    if (how === 'full') host.fillDisk();
    if (how === 'cancel') site.services.database.write({ actor: 'test', operation: 'test' }, (tx) => life.core.tasks.cancel(tx, id));
    if (how === 'power') {
      life.end();
      host.cutPower();
      ({ site, life } = await live());
    }
    await rest(life);
    if (how === 'full') host.freeDisk(100 * 2 ** 30);
    await life.clock.advance(61_000);
    const { snapshots, rows } = site.services;
    assert.equal([life.core.tasks.get(id)?.state, snapshots.of(rows.require(vm).id).length, memoryFiles(life, site)], [how === 'cancel' ? 'cancelled' : 'failed', 0, 0], how);
    assert.equal((await shownBy(site, vm, host.imageTool)).present, before, how);
    assert.equal([...await chainFaults(site, vm), ...liveFaults(site, host, vm)], [], how);
  };
  for (const how of ['full', 'cancel', 'qemu', 'power'] as const) {
    if (standing(site).startsWith('down')) await carryOut(site, life, vmStart, { vm });
    await cut(how);
    assert.is(standing(site).split('/')[0], how === 'qemu' || how === 'power' ? 'down' : 'up', `${how}: ${standing(site)}`);
  }
}));

test('refused with the reason: not running, a TPM, a disk that the memory does not know', () => inOneHost(async (_host, live) => {
  const { site, life } = await live();
  makeVm(site, { tpm: 'crb' });
  await settle(life);
  assert.throws(() => begin(site, snapshotCreate, { vm, name: 'one', memory: true }), /does not run, so there is no memory/);
  await carryOut(site, life, vmStart, { vm });
  assert.throws(() => begin(site, snapshotCreate, { vm, name: 'one', memory: true }), /has a TPM/);
}));

test('a disk that came later', () => inOneHost(async (_host, live) => {
  const { site, life } = await live();
  await kept(site, life);
  perform(site, diskAttach, { vm, sizeBytes: MiB });
  await settle(life);
  assert.throws(() => begin(site, snapshotPreview, { vm, snapshot: 'one' }), /came after the snapshot/);
  await carryOut(site, life, snapshotPreview, { vm, snapshot: 'one', memory: false });
}));

test.run();
