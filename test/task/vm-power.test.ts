/** The verbs of power and deletion, cut at any instant and failing at any step. */
import { test } from 'uvu';
import { vmDelete, vmPause, vmPowerOff, vmReboot, vmReset, vmResume, vmShutdown, vmStart, vmTrim } from '../../appliance/vm/operations.ts';
import { checkTask, type Life } from './harness.ts';
import { begin, carryOut, makeVm, observeSite, openVmSite, type VmSite } from './vm-site.ts';

const vm = { vm: 'web-1' };
const running = async (site: VmSite, life: Life) => {
  makeVm(site);
  await carryOut(site, life, vmStart, vm);
};
const paused = async (site: VmSite, life: Life) => {
  await running(site, life);
  await carryOut(site, life, vmPause, vm);
};
const common = { open: (life: Life) => openVmSite(life), observe: observeSite };
/** One step without undo: what it has done stays, and the state tells it. */
const asFarAsItCame = ({ before, after, point }: { before: unknown; after: unknown; point: { when: string } }) => (point.when === 'done' ? after : before);

checkTask<VmSite>(test, { ...common, name: 'vm.power-off', prepare: running, begin: (site) => begin(site, vmPowerOff, vm), undone: asFarAsItCame });
checkTask<VmSite>(test, { ...common, name: 'vm.shutdown', prepare: running, begin: (site) => begin(site, vmShutdown, vm), undone: asFarAsItCame });
checkTask<VmSite>(test, { ...common, name: 'vm.pause', prepare: running, begin: (site) => begin(site, vmPause, vm), undone: asFarAsItCame });
checkTask<VmSite>(test, { ...common, name: 'vm.resume', prepare: paused, begin: (site) => begin(site, vmResume, vm), undone: asFarAsItCame });
checkTask<VmSite>(test, { ...common, name: 'vm.reboot', prepare: running, begin: (site) => begin(site, vmReboot, vm), undone: asFarAsItCame });
checkTask<VmSite>(test, { ...common, name: 'vm.reset', prepare: running, begin: (site) => begin(site, vmReset, vm), undone: asFarAsItCame });

const speaking = { guests: { agentMs: 10 } };
checkTask<VmSite>(test, { ...common, name: 'vm.trim', host: speaking, prepare: running, begin: (site) => begin(site, vmTrim, vm), undone: asFarAsItCame });

const made = async (site: VmSite) => { makeVm(site); };
checkTask<VmSite>(test, { ...common, name: 'vm.delete', prepare: made, begin: (site) => begin(site, vmDelete, vm) });
checkTask<VmSite>(test, { ...common, name: 'vm.delete that keeps the disks', prepare: made, begin: (site) => begin(site, vmDelete, { ...vm, keepDisks: true }) });
test.run();
