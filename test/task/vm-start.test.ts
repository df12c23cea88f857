/** Starting a VM, cut at any instant and failing at any step. */
import { test } from 'uvu';
import { vmStart } from '../../appliance/vm/operations.ts';
import { checkTask, type Life } from './harness.ts';
import { begin, factsChanged, makeVm, observeSite, openVmSite, type VmSite } from './vm-site.ts';

checkTask<VmSite>(test, {
  name: 'vm.start', open: (life: Life) => openVmSite(life), observe: observeSite,
  prepare: async (site) => { makeVm(site); },
  begin: (site) => begin(site, vmStart, { vm: 'web-1' }),
  undone: ({ before }) => factsChanged(before, { reason: 'start-failed', said: 'This step was made to fail.' }),
});

test.run();
