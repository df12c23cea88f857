/** `kill -9` of the service at every instant of the tasks of power and of the deletion of VMs: `kill-round.ts` says how. */
import { truncateSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { openTestApp } from '../world/app.ts';
import type { KillCase } from './kill-round.ts';
import { checkKills, deviceKinds, makeDisk, makeRunning, makeVm, memoryKinds, MiB, observeVm, snapshotKinds } from './kill-subjects.ts';
import type { Service } from './service.ts';
import { type Disk, volumesOf } from './service-files.ts';

const power = (name: string, verb: string): KillCase => ({
  name, kind: `vm.${verb}`, prepare: makeRunning, observe: observeVm,
  begin: (service, subject) => service.must('POST', `/vms/${subject}/${verb}`),
});

const start = (service: Service, name: string) => service.must('POST', `/vms/${name}/start`);

const cases: KillCase[] = [
  { name: 'start', kind: 'vm.start', prepare: (service, name) => makeVm(service, name, { disks: [{ sizeBytes: MiB }], nics: [{ network: 'default' }] }), begin: start, observe: observeVm },
  {
    // QEMU refuses its disk: three whole steps, the beginning of the fourth, and the undoing of all four.
    name: 'fail', kind: 'vm.start', instants: 14, begin: start, observe: observeVm,
    async prepare(service, name) {
      await makeDisk(service, name);
      const { id } = await service.must<Disk>('GET', `/disks/${name}`);
      for (const path of await volumesOf(service, id)) truncateSync(path);
      await makeVm(service, name, { disks: [{ disk: name }] });
    },
  },
  power('shutdown', 'shutdown'), power('off', 'power-off'), power('reboot', 'reboot'), power('reset', 'reset'), power('pause', 'pause'),
  {
    ...power('resume', 'resume'),
    async prepare(service, name) {
      await makeRunning(service, name);
      await service.carryOut('POST', `/vms/${name}/pause`);
      await service.vmIs(name, 'paused');
    },
  },
  { name: 'remove', kind: 'vm.delete', prepare: (service, name) => makeVm(service, name, { disks: [{ sizeBytes: MiB }] }), begin: (service, name) => service.must('DELETE', `/vms/${name}`), observe: observeVm },
];

checkKills('tasks of power, and the deletion of VMs', cases, { network: true });

/** Keys are pressed once or not at all, so that task may end otherwise: test/api/vm has its kill. Trimming needs a system inside: test/task. Machines that are carried: service-kill-carry. */
const elsewhere = ['vm.send-keys', 'vm.trim', 'vm.export', 'vm.import'];

test('no such kind of task was left out', async () => {
  const site = await openTestApp();
  const kinds = site.app.core.tasks.definitions().map(({ kind }) => kind).filter((kind) => kind.startsWith('vm.') && !elsewhere.includes(kind) && !deviceKinds.includes(kind) && !memoryKinds.includes(kind) && !snapshotKinds.includes(kind));
  await site.close();
  assert.equal([...new Set(cases.map(({ kind }) => kind))].sort(), kinds.sort());
});

test.run();
