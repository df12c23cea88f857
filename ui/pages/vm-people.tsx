/** Who may use a VM, and giving it to others: the tab of those who manage it. */
import { definePage } from '../page.ts';
import { readShared, Sharing } from './share.tsx';
import { readVm, VmFrame } from './vm-page.tsx';

export const vmPeoplePage = definePage({
  path: '/vms/{vm}/people', live: ['vm', 'assignment', 'role'],
  async load(call, request) {
    const vm = await readVm(call, request);
    return { vm, shared: await readShared(call, { kind: 'vm', id: vm.id }) };
  },
  title: ({ vm }) => vm.name,
  view: ({ vm, shared }) => <VmFrame vm={vm}><Sharing {...shared} /></VmFrame>,
});
