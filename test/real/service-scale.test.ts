/**
 * A full host: a hundred VMs defined, twenty of them running under software emulation. Everything is seen at once and right, also
 * straight after a kill of the service, and in little memory.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { real } from './count.ts';
import { inParallel } from './kill-round.ts';
import { makeVm, MiB } from './kill-subjects.ts';
import { type Service, type Vm, withService } from './service.ts';
import { checkNothingIsLeft } from './service-files.ts';

const defined = 100;
const running = 20;
/** The goal with a hundred VMs is 120 MB; a tenth more may be waiting for its collection. */
const mostResidentBytes = 132e6;

const nameOf = (index: number) => `vm-${String(index).padStart(3, '0')}`;
const list = async (service: Service) => (await service.must<{ items: Vm[] }>('GET', '/vms?limit=1000')).items;

async function residentBytes({ host }: Service): Promise<number> {
  const pid = (await host.must(['pgrep', '-f', '^node .*main.js serve'])).trim();
  const status = await host.must(['cat', `/proc/${pid}/status`]);
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024;
}

test('a hundred VMs of which twenty run, over a kill of the service', () => withService({ network: true }, async (service) => {
  const names = Array.from({ length: defined }, (_none, index) => nameOf(index));
  const up = names.filter((_name, index) => index % (defined / running) === 0);
  const startedAt = performance.now();
  await inParallel(names, 4, (name) => makeVm(service, name, { disks: [{ sizeBytes: MiB }], nics: [{ network: 'default' }] }));
  await inParallel(up, 4, (name) => service.carryOut('POST', `/vms/${name}/start`));
  console.log(`made ${defined} and started ${running} in ${((performance.now() - startedAt) / 1000).toFixed(1)} s`);

  const expected = names.map((name) => [name, up.includes(name) ? 'up' : 'down']);
  const states = async () => (await list(service)).map(({ name, state }) => [name, state]);
  assert.equal(await states(), expected);
  await service.kill9();
  const killedAt = performance.now();
  await service.start();
  const readyMs = performance.now() - killedAt;
  assert.equal(await states(), expected, 'nothing is forgotten for a moment');
  const afterwards = await service.until('all are seen with their devices', async () => {
    const vms: Vm[] = [];
    for (const name of up) vms.push(await service.vm(name));
    return vms.every(({ disks, nics }) => [...disks, ...nics].every(({ isPlugged }) => isPlugged)) && vms;
  });
  console.log(`ready ${readyMs.toFixed(0)} ms after the kill, all seen after ${(performance.now() - killedAt).toFixed(0)} ms`);
  assert.is(afterwards.length, running);
  await service.host.must(['kill', '-KILL', (await service.host.must(['cat', `/run/libvirt/qemu/${up[7]}.pid`])).trim()]);
  await service.vmIs(up[7] ?? '', 'down');
  assert.is((await list(service)).filter(({ state }) => state === 'up').length, running - 1);

  const resident = await residentBytes(service);
  console.log(`resident memory of the service: ${(resident / 1e6).toFixed(1)} MB`);
  assert.ok(resident < mostResidentBytes, `${resident} bytes resident`);
  await checkNothingIsLeft(service);
  real('libvirt', 'qemu-img');
}));

test.run();
