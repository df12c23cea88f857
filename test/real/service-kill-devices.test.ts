/** `kill -9` of the service at every instant of the tasks of devices of running VMs: `kill-round.ts` says how. */
import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { KillCase } from './kill-round.ts';
import { checkKills, deviceKinds, makeDisk, makeRunning, MiB, observeVm, putIso } from './kill-subjects.ts';
import type { Service } from './service.ts';

/** At a reset QEMU takes out what the guest was asked to let go. */
async function reset({ host }: Service, name: string): Promise<void> {
  await host.run(['virsh', '-q', 'reset', name]);
  await sleep(1_500);
}

const idOf = async (service: Service, name: string, kind: 'disks' | 'nics') => (await service.vm(name))[kind][0]?.id ?? '';

const cases: KillCase[] = [
  {
    name: 'plug-disk', kind: 'vm.plug', prepare: async (service, name) => { await makeDisk(service, name); await makeRunning(service, name); },
    begin: (service, name) => service.must('POST', `/vms/${name}/disks`, { disk: name }), observe: observeVm,
  },
  { name: 'plug-nic', kind: 'vm.plug', prepare: makeRunning, begin: (service, name) => service.must('POST', `/vms/${name}/nics`, { network: 'default' }), observe: observeVm },
  {
    name: 'unplug-disk', kind: 'vm.unplug', prepare: (service, name) => makeRunning(service, name, { disks: [{ sizeBytes: MiB }] }), help: reset,
    begin: async (service, name) => service.must('DELETE', `/vms/${name}/disks/${await idOf(service, name, 'disks')}?delete=true`), observe: observeVm,
  },
  {
    name: 'unplug-nic', kind: 'vm.unplug', prepare: (service, name) => makeRunning(service, name, { nics: [{ network: 'default' }] }), help: reset,
    begin: async (service, name) => service.must('DELETE', `/vms/${name}/nics/${await idOf(service, name, 'nics')}`), observe: observeVm,
  },
  {
    name: 'medium', kind: 'vm.change-cdrom', observe: observeVm,
    async prepare(service, name) {
      if (name.endsWith('-0')) for (const iso of ['one.iso', 'two.iso']) await putIso(service, iso);
      await makeRunning(service, name, { cdrom: 'one.iso' });
    },
    begin: (service, name) => service.must('PUT', `/vms/${name}/cdrom`, { iso: 'two.iso' }),
  },
  {
    name: 'limits', kind: 'vm.apply', prepare: (service, name) => makeRunning(service, name, { disks: [{ sizeBytes: MiB }] }), observe: observeVm,
    begin: async (service, name) => service.must('PATCH', `/vms/${name}/disks/${await idOf(service, name, 'disks')}`, { writesPerSecond: 20 }),
  },
];

checkKills('tasks of devices', cases, { network: true });

test('no such kind of task was left out', () => {
  assert.equal([...new Set(cases.map(({ kind }) => kind))], deviceKinds);
});

test.run();
