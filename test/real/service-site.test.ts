/** A site file on the real service: a running guest from one command, and a second machine from the export of the first. */
import { writeFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { real } from './count.ts';
import { type Service, type Vm, withService } from './service.ts';

const text = `bothy: 1
users: [{ name: till, roles: [operator], password: four unrelated words }]
networks: [{ name: lab, subnet: 192.168.177.0/24, description: Apart }]
disks: [{ name: spare, sizeBytes: 4 MiB }]
vms: [{ name: web, memoryBytes: 64 MiB, autostart: true, disks: [{ sizeBytes: 8 MiB }], nics: [{ network: lab, mac: "52:54:00:00:00:77" }] }]
`;

async function answers(service: Service): Promise<unknown> {
  const left = new Set(['id', 'createdAt', 'since', 'generation', 'startedAt', 'freeBytes', 'totalBytes', 'reservedBytes', 'occupiedBytes', 'bridge', 'isPlugged', 'hasAgent']);
  const all = await Promise.all(['vms', 'vms/web', 'networks', 'disks', 'users', 'storage-domains'].map((path) => service.must('GET', `/${path}`)));
  return JSON.parse(JSON.stringify(all, (key, value) => (left.has(key) ? undefined : value)));
}

async function applied(service: Service, file: string): Promise<Vm> {
  const path = service.host.path('site.yaml');
  writeFileSync(path, file);
  assert.match(await service.bothy('site', 'apply', path), /The site file is applied/);
  assert.match(await service.bothy('site', 'plan'), /Nothing is to be done/);
  return service.vmIs('web', 'up');
}

test('one command makes and starts what the file says, and its export makes the same on a second machine', async () => {
  let exported = '';
  let first: unknown;
  await withService({}, async (service) => {
    await applied(service, text);
    exported = await service.bothy('site', 'export', '--secrets');
    first = await answers(service);
    real('libvirt', 'qemu', 'qemu-img');
  });
  await withService({}, async (service) => {
    await applied(service, exported);
    assert.equal(await answers(service), first);
    assert.is((await service.api('POST', '/sessions', { user: 'till', password: 'four unrelated words' })).status, 201);
  });
});

test.run();
