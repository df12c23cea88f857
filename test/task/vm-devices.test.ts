/** Plugging and unplugging devices of running VMs, cut at any instant and failing at any step. */
import { test } from 'uvu';
import { cdromChange, diskAttach, diskDetach, diskEdit, nicAdd, nicRemove, vmStart } from '../../appliance/vm/operations.ts';
import { checkTask, type Life, type Point } from './harness.ts';
import { begin, carryOut, generationsLater, makeVm, observeSite, openVmSite, origin, putIso, type VmSite } from './vm-site.ts';

const vm = { vm: 'web-1' };
const common = { open: (life: Life) => openVmSite(life), observe: observeSite };
const running = async (site: VmSite, life: Life) => {
  makeVm(site);
  await carryOut(site, life, vmStart, vm);
};
/** The wish stays and waits for the next start, unless the guest has it already. */
const waiting = ({ before, after, point }: { before: unknown; after: unknown; point: Point }) => {
  if (point.step !== 'Tell the running guest' || point.when !== 'before') return after;
  const [was, is] = [before, after] as { vms: { fact: unknown }[] }[]; // both are of `observeSite`
  return { ...is, vms: is?.vms.map((each, index) => ({ ...each, fact: was?.vms[index]?.fact })) };
};
/** The wish was made and taken back. */
const takenBack = ({ before }: { before: unknown }) => generationsLater(before, 2);

checkTask<VmSite>(test, {
  ...common, name: 'vm.plug of an existing disk', undone: takenBack,
  async prepare(site, life) {
    await running(site, life);
    site.services.database.write(origin, (tx) => site.storage.createDisk(tx, { name: 'data', sizeBytes: 2 ** 20 }));
  },
  begin: (site) => begin(site, diskAttach, { ...vm, disk: 'data' }),
});

checkTask<VmSite>(test, {
  ...common, name: 'vm.plug of a NIC', prepare: running, undone: takenBack,
  begin: (site) => begin(site, nicAdd, { ...vm, network: 'default', mac: '52:54:00:00:00:02' }),
});

checkTask<VmSite>(test, {
  ...common, name: 'vm.unplug of a disk that is deleted, too', prepare: running,
  begin: (site) => begin(site, diskDetach, { ...vm, disk: 'web-1-disk1', delete: true }),
});

checkTask<VmSite>(test, {
  ...common, name: 'vm.unplug of a NIC', prepare: running,
  begin: (site) => begin(site, nicRemove, { ...vm, nic: site.services.rows.nics(site.services.rows.require('web-1').id)[0]?.id }),
});

checkTask<VmSite>(test, {
  ...common, name: 'vm.plug of a new disk into a VM that is down', undone: takenBack,
  prepare: async (site) => { makeVm(site, { disks: [] }); },
  begin: (site) => begin(site, diskAttach, { ...vm, sizeBytes: 2 ** 20 }),
});

checkTask<VmSite>(test, {
  ...common, name: 'vm.apply of limits to a running VM', prepare: running, undone: waiting, hasNoUndo: true,
  begin: (site) => begin(site, diskEdit, { ...vm, disk: 'web-1-disk1', writesPerSecond: 20 }),
});

checkTask<VmSite>(test, {
  ...common, name: 'vm.change-cdrom',
  async prepare(site, life) {
    await putIso(site, life, 'one.iso');
    await putIso(site, life, 'two.iso');
    makeVm(site, { cdrom: 'one.iso' });
    await carryOut(site, life, vmStart, vm);
  },
  begin: (site) => begin(site, cdromChange, { ...vm, iso: 'two.iso' }),
});

test.run();
