/** Suspending to disk, going on from it and discarding it: cut at any instant, failing at any step, and by kills of QEMU and of the host. */
import { mkdtempSync, readdirSync, rmSync, statSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { diskAttach, snapshotCreate, snapshotDelete, snapshotPreview, vmClone, vmDiscardMemory, vmEdit, vmPause, vmPowerOff, vmStart, vmSuspend } from '../../appliance/vm/operations.ts';
import { createVirtualClock } from '../world/clock.ts';
import { createSimulatedHost, type SimulatedHost } from '../world/world.ts';
import { checkTask, type Life, type Lived, openLife, settle } from './harness.ts';
import { begin, carryOut, factsChanged, makeVm, observeSite, openVmSite, perform, type VmSite } from './vm-site.ts';

const vm = 'web-1';
// biome-ignore lint/suspicious/noExplicitAny: plain data made by observeSite
type Plain = any;

/** Beside all else: what the guest remembers, and the files that hold it. */
function observe(site: VmSite, life: Life): unknown {
  const observed = observeSite(site, life) as Plain;
  const { id } = site.services.rows.require(vm);
  const files = readdirSync(join(life.core.statePath, 'vms', id)).map((name) => name.replace(/^memory-.*\.save$/, 'memory.save'));
  const withoutTimes = JSON.parse(JSON.stringify(observed, (key, value) => (key === 'savedAt' || key === 'bytes' ? undefined : key === 'file' ? 'memory.save' : value)));
  return { ...withoutTimes, files, keys: life.host.libvirt.domains().map(({ keys, hasAgent, state }) => ({ keys, hasAgent, state })) };
}

const common = { open: (life: Life) => openVmSite(life), observe, host: { guests: { agentMs: 100 } } };

async function running(site: VmSite, life: Life): Promise<void> {
  makeVm(site);
  await carryOut(site, life, vmStart, { vm });
  await life.clock.advance(1_000);
  await life.world.hypervisor.sendKeys(site.services.rows.require(vm).id, [30]);
}

async function suspended(site: VmSite, life: Life): Promise<void> {
  await running(site, life);
  await carryOut(site, life, vmSuspend, { vm });
}

/** It goes on as it did: the agent is the same one, and what was pressed is known. The clock is not set: that is of a start. */
const asBefore = ({ before }: { before: unknown }) => before;
checkTask<VmSite>(test, { ...common, name: 'vm.suspend', prepare: running, begin: (site) => begin(site, vmSuspend, { vm }), undone: asBefore });

const paused = async (site: VmSite, life: Life) => {
  await running(site, life);
  await carryOut(site, life, vmPause, { vm });
};
checkTask<VmSite>(test, { ...common, name: 'vm.suspend of one that is paused', prepare: paused, begin: (site) => begin(site, vmSuspend, { vm }), undone: asBefore });

checkTask<VmSite>(test, {
  ...common, name: 'vm.restore', prepare: suspended, begin: (site) => begin(site, vmStart, { vm }),
  // Once it is used up the guest runs, whatever comes after.
  undone: ({ before, after, point }) => ((point.step === 'Let the guest go on' && point.when === 'done') || point.step === 'Remove the file'
    ? { ...(after as Plain), files: point.step === 'Remove the file' && point.when === 'done' ? (after as Plain).files : (before as Plain).files }
    : factsChanged(before, { reason: 'restore-failed', said: 'This step was made to fail.' })),
});

checkTask<VmSite>(test, { ...common, name: 'vm.discard-memory', prepare: suspended, begin: (site) => begin(site, vmDiscardMemory, { vm }), hasNoUndo: true, undone: ({ before, after, point }) => ({ ...(after as Plain), files: point.when === 'done' ? (after as Plain).files : (before as Plain).files }) });

/** Until nothing more happens. */
const rest = async (life: Life) => {
  await settle(life);
  await life.clock.advance(40_000);
};

async function inOneHost(play: (host: SimulatedHost, live: () => Promise<{ site: VmSite; life: Lived }>) => Promise<void>): Promise<void> {
  const statePath = mkdtempSync(join(tmpdir(), 'bothy-memory-'));
  const clock = createVirtualClock();
  const host = createSimulatedHost({ clock, statePath, guests: { agentMs: 100 } });
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

const factOf = ({ services }: VmSite) => services.rows.require(vm).fact;
const standing = (site: VmSite) => `${factOf(site).state}/${factOf(site).reason}`;

test('its clock is set when it goes on, and the disks, snapshots and name that its memory knows are left alone', () => inOneHost(async (host, live) => {
  const { site, life } = await live();
  await running(site, life);
  await carryOut(site, life, snapshotCreate, { vm, name: 'one' });
  await carryOut(site, life, vmSuspend, { vm });
  assert.is(standing(site), 'saved/user');
  for (const [record, input] of [[snapshotCreate, { name: 'two' }], [snapshotDelete, { snapshot: 'one' }], [snapshotPreview, { snapshot: 'one' }], [diskAttach, { sizeBytes: 2 ** 20 }], [vmClone, { name: 'other' }]] as const) {
    assert.throws(() => perform(site, record, { vm, ...input }), /is suspended/, record.id);
  }
  assert.throws(() => perform(site, vmEdit, { vm, name: 'other' }), /Start it, then rename it/);
  await carryOut(site, life, vmStart, { vm });
  assert.is(standing(site), 'up/running');
  assert.is(host.libvirt.domains()[0]?.setTimes.length, 1);
}));

test('the host loses power while it is suspended: it goes on afterwards; while its memory is written or after it went on: as after a power cut', () => inOneHost(async (host, live) => {
  let { site, life } = await live();
  await suspended(site, life);
  const cut = async () => {
    life.end();
    host.cutPower();
    ({ site, life } = await live());
    await rest(life);
  };
  await cut();
  assert.is(standing(site), 'saved/user');
  perform(site, vmEdit, { vm, autostart: true });
  await cut();
  assert.equal([standing(site), host.libvirt.domains()[0]?.keys], ['up/running', [[30]]], 'with the host');
  perform(site, vmEdit, { vm, autostart: false });
  await carryOut(site, life, vmSuspend, { vm });
  await carryOut(site, life, vmStart, { vm });
  assert.equal(host.libvirt.domains()[0]?.keys, [[30]]);
  begin(site, vmSuspend, { vm });
  await life.clock.advance(200); // it is being written
  await cut();
  assert.is(standing(site).split('/')[0], 'down', standing(site));
  await carryOut(site, life, vmStart, { vm });
  assert.equal(host.libvirt.domains()[0]?.keys, [], 'it began anew');
}));

test('QEMU dies over it: down, and told; no room: refused with the reason, and it goes on; a file that is broken: still suspended, and told', () => inOneHost(async (host, live) => {
  const { site, life } = await live();
  await running(site, life);
  begin(site, vmSuspend, { vm });
  await life.clock.advance(200);
  host.libvirt.killQemu(vm);
  await rest(life);
  assert.is(standing(site).split('/')[0], 'down', standing(site));
  await carryOut(site, life, vmStart, { vm });
  const full = begin(site, vmSuspend, { vm });
  await life.clock.advance(200);
  host.fillDisk();
  await rest(life);
  assert.match(JSON.stringify(life.core.tasks.get(full)?.problem), /No space left/);
  host.freeDisk(100 * 2 ** 30);
  await rest(life);
  assert.is(standing(site), 'up/running');
  await carryOut(site, life, vmSuspend, { vm });
  const path = join(life.core.statePath, 'vms', factOf(site).vmId, factOf(site).saved?.file ?? '');
  truncateSync(path, statSync(path).size - 10);
  begin(site, vmStart, { vm });
  await rest(life);
  assert.equal([standing(site), /load of migration failed/.test(factOf(site).said)], ['saved/restore-failed', true]);
  await carryOut(site, life, vmDiscardMemory, { vm });
  assert.is(standing(site), 'down/memory-discarded');
  await carryOut(site, life, vmStart, { vm });
}));

test('cancelled, or powered off meanwhile', () => inOneHost(async (host, live) => {
  const { site, life } = await live();
  await running(site, life);
  const id = begin(site, vmSuspend, { vm });
  await life.clock.advance(200);
  site.services.database.write({ actor: 'test', operation: 'test' }, (tx) => life.core.tasks.cancel(tx, id));
  await rest(life);
  assert.equal([life.core.tasks.get(id)?.state, standing(site), host.libvirt.domains()[0]?.keys], ['cancelled', 'up/running', [[30]]]);
  begin(site, vmSuspend, { vm });
  await life.clock.advance(200);
  await carryOut(site, life, vmPowerOff, { vm });
  assert.equal([standing(site), host.libvirt.domains().length], ['down/power-off', 0]);
}));

test.run();
