/** Snapshots of a VM that is down, cut at any instant and failing at any step: what each holds, and every file. */
import { test } from 'uvu';
import { snapshotCommit, snapshotCreate, snapshotDelete, snapshotPreview, snapshotUndo } from '../../appliance/vm/operations.ts';
import { simulatedWrite } from '../world/guest-disk.ts';
import { checkTask, type Life, settle } from './harness.ts';
import { chainFaults, guestWrites, shownBy } from './snapshot-site.ts';
import { begin, carryOut, makeVm, observeSite, openVmSite, remember, type VmSite } from './vm-site.ts';

const vm = 'web-1';
const MiB = 2 ** 20;

async function observe(site: VmSite, life: Life): Promise<unknown> {
  const { snapshots, rows } = site.services;
  const { id } = rows.require(vm);
  return {
    site: observeSite(site, life), shown: await shownBy(site, vm, life.world.imageTool), faults: await chainFaults(site, vm),
    snapshots: snapshots.of(id).map(({ createdAt: _created, ...row }) => row), present: snapshots.present(id),
    layers: rows.disks(id).map(({ diskId }) => site.storage.layers.of(diskId).map(({ createdAt: _created, ...layer }) => layer)),
    reserved: site.services.database.sql.all('select id from storage_reservation'),
  };
}

const common = { open: (life: Life) => openVmSite(life), observe };
const write = (site: VmSite, block: number, value: number, disk = 0) => guestWrites(site, { vm, disk, block, value, write: simulatedWrite });

/** Two disks of either format; `one` and `two` follow each other, and the guest has written before, between and after. */
async function withTwo(site: VmSite, life: Life): Promise<void> {
  await withNone(site);
  await settle(life);
  for (const [name, value] of [['one', 1], ['two', 2]] as const) {
    for (const disk of [0, 1]) await write(site, value, value, disk);
    remember(site, vm, `word${value}`);
    await carryOut(site, life, snapshotCreate, { vm, name });
  }
  for (const disk of [0, 1]) await write(site, 3, 3, disk);
  remember(site, vm, 'later');
}

const withNone = async (site: VmSite) => void makeVm(site, { firmware: 'efi', disks: [{ sizeBytes: MiB }, { sizeBytes: MiB, format: 'raw', allocation: 'preallocated' }] });
const previewing = async (site: VmSite, life: Life) => {
  await withTwo(site, life);
  await carryOut(site, life, snapshotPreview, { vm, snapshot: 'one' });
  await write(site, 9, 9);
};

checkTask<VmSite>(test, { ...common, name: 'vm.snapshot of a VM that is down', prepare: withNone, begin: (site) => begin(site, snapshotCreate, { vm, name: 'first' }) });
checkTask<VmSite>(test, { ...common, name: 'vm.preview-snapshot', prepare: withTwo, begin: (site) => begin(site, snapshotPreview, { vm, snapshot: 'one' }) });
checkTask<VmSite>(test, { ...common, name: 'vm.commit-snapshot', prepare: previewing, begin: (site) => begin(site, snapshotCommit, { vm, snapshot: 'one' }) });
checkTask<VmSite>(test, { ...common, name: 'vm.undo-snapshot', prepare: previewing, begin: (site) => begin(site, snapshotUndo, { vm, snapshot: 'one' }) });

// biome-ignore lint/suspicious/noExplicitAny: plain data made by `observe`
type Plain = any;
/** Let go with the request; how far the merging came shows in the layers alone, and what the guest sees is the same. */
const broken = ({ before, after, point }: { before: unknown; after: unknown; point: { step: string; when: string } }) => point.step === 'Merge its layers' && point.when === 'done' ? withBroken(after as Plain, before as Plain) : letGo(before as Plain, after as Plain);
const letGo = (before: Plain, after: Plain) => ({
  ...before, site: { ...before.site, variables: after.site.variables },
  shown: { ...before.shown, snapshots: { two: before.shown.snapshots.two } },
  snapshots: before.snapshots.map((row: Plain) => (row.name === 'one' ? { ...row, state: 'broken' } : row)),
  layers: before.layers.map((layers: Plain[]) => layers.map((layer) => (layer.holder === `snapshot/${before.snapshots[0].id}` ? { ...layer, holder: null } : layer))),
});
/** Ids are told by their order of appearance, and the broken one appears before the other. */
const withBroken = (after: Plain, before: Plain) => {
  const [one, two] = before.snapshots;
  const shifted = (value: Plain) => JSON.parse(JSON.stringify(value).replace(/id-(\d+)/g, (id, number) => (Number(number) < Number(one.id.slice('id-'.length)) ? id : `id-${Number(number) + 1}`)));
  return { ...after, snapshots: [{ ...one, state: 'broken' }, two], present: shifted(after.present), layers: shifted(after.layers) };
};

checkTask<VmSite>(test, { ...common, name: 'vm.delete-snapshot of the first of two', prepare: withTwo, begin: (site) => begin(site, snapshotDelete, { vm, snapshot: 'one' }), undone: broken, hasNoUndo: true });

test.run();
