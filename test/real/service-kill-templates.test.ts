/** `kill -9` of the service at every instant of the tasks of templates: `kill-round.ts` says how. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { openTestApp } from '../world/app.ts';
import type { KillCase } from './kill-round.ts';
import { checkKills, makeVm, MiB } from './kill-subjects.ts';
import type { Service, Vm } from './service.ts';
import { type Disk, hashFile, volumesOf } from './service-files.ts';

interface Template {
  state: string;
  disks: { id: string }[];
}

async function withVm(service: Service, name: string): Promise<void> {
  await makeVm(service, name, { disks: [{ sizeBytes: MiB, name, format: 'raw' }] });
  await service.until(`${name} is made`, async () => (await service.must<Disk>('GET', `/disks/${name}`)).state === 'ok');
}

async function withTemplate(service: Service, name: string): Promise<void> {
  await withVm(service, name);
  await service.carryOut('POST', '/templates', { vm: name, name });
}

const hashesOf = async (service: Service, disk: string) => (await Promise.all((await volumesOf(service, disk)).map(hashFile))).sort();

/** The template, its images, and that its VM's disk is free again. */
async function observe(service: Service, name: string) {
  const { status, body } = await service.api<Template>('GET', `/templates/${name}`);
  const source = await service.must<Disk>('GET', `/disks/${name.replace(/:1$/, '')}`);
  if (status === 404) return { state: 'absent', source: source.state };
  return { state: body.state, source: source.state, images: await Promise.all(body.disks.map(({ id }) => hashesOf(service, id))) };
}

const poolOf = (disk: string) => disk.replace(/-1-disk1$/, '');
const isFree = (service: Service, disk: string) => service.until(`${poolOf(disk)} has a free VM`, async () => (await service.must<{ free: number }>('GET', `/pools/${poolOf(disk)}`)).free === 1);
const ownerOf = (disk: string) => disk.replace(/-disk1$/, '');
const cases: KillCase[] = [
  { name: 'make', kind: 'template.create', prepare: withVm, begin: (service, name) => service.must('POST', '/templates', { vm: name, name }), observe },
  { name: 'drop', suffix: ':1', kind: 'template.delete', prepare: (service, name) => withTemplate(service, name.replace(/:1$/, '')), begin: (service, name) => service.must('DELETE', `/templates/${name}`), observe },
  {
    name: 'copy', suffix: '-disk1', kind: 'disk.copy', prepare: (service, name) => withTemplate(service, `of-${ownerOf(name)}`),
    begin: (service, name) => service.must('POST', `/templates/of-${ownerOf(name)}/vms`, { name: ownerOf(name), mode: 'clone' }),
    async observe(service, name) {
      const vm = await service.must<Vm>('GET', `/vms/${ownerOf(name)}`);
      return { state: vm.state, disks: await Promise.all(vm.disks.map(async ({ id, state }) => [state, await hashesOf(service, id)])) };
    },
  },
  {
    // Begun by the pool when a VM that somebody has started is down again.
    name: 'again', suffix: '-1-disk1', kind: 'disk.reset',
    async prepare(service, name) {
      await withTemplate(service, `of-${poolOf(name)}`);
      await service.must('POST', '/pools', { name: poolOf(name), template: `of-${poolOf(name)}`, size: 1 });
      await isFree(service, name);
    },
    async begin(service, name) {
      await service.carryOut('POST', `/vms/${poolOf(name)}-1/start`);
      await service.carryOut('POST', `/vms/${poolOf(name)}-1/power-off`);
      await service.until(`${name} is being made as it was`, async () => (await service.must<{ items: { kind: string }[] }>('GET', `/tasks?about=${name}`)).items.some(({ kind }) => kind === 'disk.reset'));
    },
    async observe(service, name) {
      await isFree(service, name);
      const { id, state } = await service.must<Disk>('GET', `/disks/${name}`);
      return { state, volumes: (await volumesOf(service, id)).length }; // a layer names the image below it
    },
  },
];

const shared = 4; // the image of the template, beside the layer of again-0 to again-3
checkKills('tasks of templates', cases, { copies: shared });

test('no such kind of task was left out', async () => {
  const site = await openTestApp();
  const kinds = site.app.core.tasks.definitions().map(({ kind }) => kind).filter((kind) => kind.startsWith('template.') || kind === 'disk.copy' || kind === 'disk.reset');
  await site.close();
  assert.equal(cases.map(({ kind }) => kind).sort(), kinds.sort());
});

test.run();
