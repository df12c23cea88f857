/** `kill -9` of the service at every instant of the tasks of snapshots: `kill-round.ts` says how. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { openTestApp } from '../world/app.ts';
import type { KillCase } from './kill-round.ts';
import { checkKills, makeVm, MiB, snapshotKinds } from './kill-subjects.ts';
import type { Service, Vm } from './service.ts';
import { type Disk, readImage, volumesOf } from './service-files.ts';

const make = (service: Service, name: string, vm = name) => makeVm(service, vm, { disks: [{ sizeBytes: MiB, name }] });
const take = (service: Service, vm: string) => service.carryOut('POST', `/vms/${vm}/snapshots`, { name: 'one' });

async function withOne(service: Service, name: string): Promise<void> {
  await make(service, name);
  await service.until(`${name} is made`, async () => (await service.must<Disk>('GET', `/disks/${name}`)).state === 'ok');
  await take(service, name);
}

async function previewing(service: Service, name: string): Promise<void> {
  await withOne(service, name);
  await service.carryOut('POST', `/vms/${name}/snapshots/one/preview`);
}

/** What the VM, its disk and its snapshots are; and that every volume is sound, with what its header names below. */
async function observe(service: Service, name: string) {
  const disk = await service.must<Disk>('GET', `/disks/${name}`);
  const vm = await service.must<Vm>('GET', `/vms/${name}`);
  const { items, current } = await service.must<{ items: { id: string; name: string; state: string; isPreviewed: boolean }[]; current: string | null }>('GET', `/vms/${name}/snapshots`);
  const volumes = await Promise.all((await volumesOf(service, disk.id)).map((path) => readImage(path, 'cow')));
  return { state: vm.state, disk: disk.state, volumes, snapshots: items.map(({ name: called, state, isPreviewed, id }) => ({ called, state, isPreviewed, isCurrent: id === current })) };
}

const end = (verb: 'commit' | 'undo'): KillCase => ({
  name: verb, kind: `vm.${verb}-snapshot`, prepare: previewing, begin: (service, name) => service.must('POST', `/vms/${name}/snapshots/one/${verb}`), observe,
});

const cases: KillCase[] = [
  {
    name: 'take', kind: 'vm.snapshot', observe,
    async prepare(service, name) {
      await make(service, name);
      await service.until(`${name} is made`, async () => (await service.must<Disk>('GET', `/disks/${name}`)).state === 'ok');
    },
    begin: (service, name) => service.must('POST', `/vms/${name}/snapshots`, { name: 'one' }),
  },
  { name: 'preview', kind: 'vm.preview-snapshot', prepare: withOne, begin: (service, name) => service.must('POST', `/vms/${name}/snapshots/one/preview`), observe },
  end('commit'), end('undo'),
  { name: 'delete', kind: 'vm.delete-snapshot', prepare: withOne, begin: (service, name) => service.must('DELETE', `/vms/${name}/snapshots/one`), observe },
];

const layers = 7 + 14 + 4 + 4; // those of take, preview, commit and undo
checkKills('tasks of snapshots', cases, { copies: layers });

test('no such kind of task was left out', async () => {
  const site = await openTestApp();
  const kinds = site.app.core.tasks.definitions().map(({ kind }) => kind).filter((kind) => snapshotKinds.includes(kind));
  await site.close();
  assert.equal(cases.map(({ kind }) => kind).sort(), kinds.sort());
});

test.run();
