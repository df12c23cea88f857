/** Snapshots of a VM that runs, cut at any instant and failing at any step: what each holds, every file, and what its QEMU has open. */
import { test } from 'uvu';
import { snapshotCreate, snapshotDelete, vmStart } from '../../appliance/vm/operations.ts';
import { checkKills, checkTask, type Life, settle } from './harness.ts';
import { chainFaults, liveFaults, runningGuestWrites, shownBy } from './snapshot-site.ts';
import { begin, carryOut, makeVm, observeSite, openVmSite, remember, type VmSite } from './vm-site.ts';

const vm = 'web-1';
const MiB = 2 ** 20;

async function observe(site: VmSite, life: Life): Promise<unknown> {
  const { snapshots, rows } = site.services;
  const { id } = rows.require(vm);
  return {
    site: observeSite(site, life), shown: await shownBy(site, vm, life.world.imageTool), faults: [...await chainFaults(site, vm), ...liveFaults(site, life.host, vm)],
    snapshots: snapshots.of(id).map(({ createdAt: _created, ...row }) => row), present: snapshots.present(id),
    layers: rows.disks(id).map(({ diskId }) => site.storage.layers.of(diskId).map(({ createdAt: _created, ...layer }) => layer)),
    reserved: site.services.database.sql.all('select id from storage_reservation'),
  };
}

const common = { open: (life: Life) => openVmSite(life), observe };

async function running(site: VmSite, life: Life): Promise<void> {
  makeVm(site, { firmware: 'efi', disks: [{ sizeBytes: MiB }, { sizeBytes: MiB, format: 'raw', allocation: 'preallocated' }] });
  await settle(life);
  await carryOut(site, life, vmStart, { vm });
  await life.clock.advance(1_000); // its agent connects
  for (const disk of [0, 1]) await runningGuestWrites(life.host, { vm, disk, block: 0, value: 7 });
  remember(site, vm, 'begun');
}

/** `one` and `two` follow each other, and the guest has written before, between and after. */
async function withTwo(site: VmSite, life: Life): Promise<void> {
  await running(site, life);
  for (const [name, value] of [['one', 1], ['two', 2]] as const) {
    for (const disk of [0, 1]) await runningGuestWrites(life.host, { vm, disk, block: value, value });
    await carryOut(site, life, snapshotCreate, { vm, name });
  }
  for (const disk of [0, 1]) await runningGuestWrites(life.host, { vm, disk, block: 3, value: 3 });
}

/** That of two failing at each step is a matter of the tasks of a VM that is down; here the guest has the layers open. */
const kills = (name: string, snapshot: string) => test(`${name} ends the same after a power cut at any instant`, () => checkKills<VmSite>({
  ...common, name, prepare: withTwo, begin: (site) => begin(site, snapshotDelete, { vm, snapshot }),
}));

checkTask<VmSite>(test, { ...common, name: 'vm.snapshot of a VM that runs', prepare: running, begin: (site) => begin(site, snapshotCreate, { vm, name: 'first' }) });
checkTask<VmSite>(test, {
  ...common, name: 'vm.snapshot of a VM with a guest agent', prepare: running, host: { guests: { agentMs: 100 } }, begin: (site) => begin(site, snapshotCreate, { vm, name: 'first' }),
});
checkTask<VmSite>(test, {
  ...common, name: 'vm.snapshot of a VM whose agent cannot still it', prepare: running, host: { guests: { agentMs: 100, canBeStilled: false } }, begin: (site) => begin(site, snapshotCreate, { vm, name: 'first' }),
});

kills('vm.delete-snapshot of a VM that runs, below the top', 'one');
kills('vm.delete-snapshot of a VM that runs, at the top', 'two');

test.run();
