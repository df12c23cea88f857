/** `kill -9` of the service at every instant of machines leaving as OVA files and coming from them: `kill-round.ts` says how. */
import { createHash } from 'node:crypto';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { openTestApp } from '../world/app.ts';
import type { KillCase } from './kill-round.ts';
import { checkKills, isoPath, makeVm, MiB, octets } from './kill-subjects.ts';
import type { Service, Vm } from './service.ts';
import { type Disk, readImage, volumesOf } from './service-files.ts';

const content = (name: string) => Buffer.concat([Buffer.alloc(MiB), createHash('sha512').update(name.replace(/\d+$/, '')).digest(), Buffer.alloc(MiB - 64, 7)]);

async function withVm(service: Service, name: string): Promise<void> {
  await makeVm(service, name, { disks: [{ sizeBytes: 2 * MiB, name }] });
  const settled = () => service.until(`${name} is ready`, async () => (await service.must<Disk>('GET', `/disks/${name}`)).state === 'ok');
  await settled();
  await service.must('PUT', `/disks/${name}/content`, content(name), { ...octets, 'x-image-format': 'raw' });
  await settled();
}

async function withFile(service: Service, name: string): Promise<void> {
  await withVm(service, `of-${name}`);
  await service.carryOut('POST', `/vms/of-${name}/export`, { name: `${name}.ova` });
}

/** The VM, and what a guest would read of its disks. */
async function machine(service: Service, name: string) {
  const { status, body } = await service.api<Vm>('GET', `/vms/${name}`);
  if (status === 404) return 'absent';
  return { state: body.state, disks: await Promise.all(body.disks.map(async ({ id, state }) => [state, await readImage((await volumesOf(service, id))[0] ?? '', 'cow')])) };
}

const cases: KillCase[] = [
  {
    name: 'out', kind: 'vm.export', prepare: withVm, begin: (service, name) => service.must('POST', `/vms/${name}/export`, {}),
    async observe(service, name) {
      const { hasSums, vcpus, notes, disks } = await service.must<{ hasSums: boolean; vcpus: number; notes: string[]; disks: { sizeBytes: number }[] }>('GET', `${isoPath(`${name}.ova`)}/machine`);
      const twin = `${name}-twin`;
      await service.carryOut('POST', `${isoPath(`${name}.ova`)}/machine`, { vm: twin }); // which holds its files to their sums
      return { vm: await machine(service, name), twin: await machine(service, twin), hasSums, vcpus, notes, sizes: disks.map(({ sizeBytes }) => sizeBytes) };
    },
  },
  { name: 'in', kind: 'vm.import', prepare: withFile, begin: (service, name) => service.must('POST', `${isoPath(`${name}.ova`)}/machine`, { vm: name }), observe: machine },
];

checkKills('machines that are carried', cases);

test('no such kind of task was left out', async () => {
  const site = await openTestApp();
  const kinds = site.app.core.tasks.definitions().map(({ kind }) => kind).filter((kind) => kind === 'vm.export' || kind === 'vm.import');
  await site.close();
  assert.equal(cases.map(({ kind }) => kind).sort(), kinds.sort());
});

test.run();
