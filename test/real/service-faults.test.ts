/**
 * What goes wrong on a host and what the service makes of it: daemons and guests that die, people who act at once, a power
 * cut. On real libvirt and QEMU; guests have 64 MiB and, unless told, no system.
 */
import { createHash, randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { real } from './count.ts';
import { makeRunning, makeVm, MiB, octets } from './kill-subjects.ts';
import { type Problem, type Service, type Vm, withService } from './service.ts';
import { checkNothingIsLeft } from './service-files.ts';

const pidOf = async ({ host }: Service, name: string) => (await host.must(['cat', `/run/libvirt/qemu/${name}.pid`])).trim();

/** `kill -9` of a guest's QEMU. */
const killGuest = async (service: Service, name: string) => service.host.must(['kill', '-KILL', await pidOf(service, name)]);

test('libvirtd is killed: VMs run on, are unknown until it is back, and a task waits for it', () => withService({ network: true }, async (service) => {
  const { host } = service;
  await makeRunning(service, 'one', { disks: [{ sizeBytes: MiB }], nics: [{ network: 'default' }] });
  await makeVm(service, 'two');
  const [before, pid] = [await service.vm('one'), await pidOf(service, 'one')];

  await host.kill('libvirtd');
  const unseen = await service.vmIs('one', 'unknown');
  assert.match(unseen.explanation?.cause ?? '', /libvirt does not answer/);
  assert.is((await service.api('GET', '/vms')).status, 200);
  assert.is((await host.fetch('/healthz')).status, 503);
  const start = await service.must<{ id: string }>('POST', '/vms/two/start');
  await sleep(1_000);
  assert.is((await service.must<{ state: string }>('GET', `/tasks/${start.id}`)).state, 'running');
  await host.start('libvirtd');

  const after = await service.vmIs('one', 'up');
  assert.equal([after.startedAt, after.disks, after.nics], [before.startedAt, before.disks, before.nics]);
  assert.is(await pidOf(service, 'one'), pid, 'the guest itself was not touched');
  assert.is((await service.task(start.id)).state, 'done');
  await service.until('all is well again', async () => (await host.fetch('/healthz')).status === 200);
  await service.carryOut('POST', '/vms/one/power-off');
  await checkNothingIsLeft(service);
  real('libvirt', 'qemu-img');
}));

test('the QEMU of a VM is killed: it is down with the reason, the others run, and it starts again', () => withService({}, async (service) => {
  for (const name of ['one', 'two']) await makeRunning(service, name);
  await killGuest(service, 'one');
  const dead = await service.vmIs('one', 'down');
  assert.match(dead.reason, /^(failed|crashed)$/);
  assert.match(dead.explanation?.cause ?? '', /QEMU process ended unexpectedly/);
  const [event] = await service.events('one');
  assert.is(event?.severity, 'error');
  assert.match(`${event?.message} ${event?.nextStep}`, /QEMU.*start it again/);
  assert.is((await service.vm('two')).state, 'up');
  await service.carryOut('POST', '/vms/one/start');
  await service.vmIs('one', 'up');
  await checkNothingIsLeft(service);
  real('libvirt');
}));

test('the service is killed while VMs run: it finds them again, and tells which died meanwhile', () => withService({ network: true }, async (service) => {
  const devices = { disks: [{ sizeBytes: MiB }], nics: [{ network: 'default' }] };
  for (const name of ['lives', 'dies', 'stops']) await makeRunning(service, name, devices);
  await service.carryOut('POST', '/vms/stops/shutdown');
  await makeRunning(service, 'pauses');
  const before = await service.vm('lives');
  await service.kill9();
  await killGuest(service, 'dies');
  await service.host.must(['virsh', '-q', 'destroy', 'stops']);
  await service.host.must(['virsh', '-q', 'suspend', 'pauses']);
  await service.start();

  const dead = await service.vmIs('dies', 'down', 'failed');
  assert.match(dead.explanation?.cause ?? '', /QEMU process ended unexpectedly/);
  assert.ok((await service.events('dies')).some(({ code, severity, nextStep }) => code === 'vm.down-failed' && severity === 'error' && nextStep));
  await service.vmIs('stops', 'down', 'destroyed');
  await service.vmIs('pauses', 'paused', 'user');
  const { generation: _generation, ...after } = await service.vmIs('lives', 'up');
  assert.equal({ ...after, generation: before.generation }, before, 'nothing of it has changed');
  assert.equal((await service.events('lives')).map(({ code }) => code), ['vm.started']);
  for (const verb of ['pause', 'resume', 'power-off']) await service.carryOut('POST', `/vms/lives/${verb}`);
  await checkNothingIsLeft(service);
  real('libvirt', 'qemu-img');
}));

test('two start one VM, two edit one VM, one asks twice', () => withService({}, async (service) => {
  await makeVm(service, 'one');
  const starts = await Promise.all([1, 2].map(() => service.api<{ id?: string }>('POST', '/vms/one/start')));
  assert.equal(starts.map(({ status }) => status).sort(), [202, 409]);
  await service.task(starts.find(({ status }) => status === 202)?.body.id ?? '');
  assert.is((await service.vmIs('one', 'up')).state, 'up');

  const { headers } = await service.api('GET', '/vms/one');
  const seen = { 'if-match': headers.get('etag') ?? '' };
  const edits = await Promise.all(['hers', 'his'].map((description) => service.api<Vm & Problem>('PATCH', '/vms/one', { description }, seen)));
  assert.equal(edits.map(({ status }) => status).sort(), [200, 412]);
  assert.match(edits.find(({ status }) => status === 412)?.body.detail ?? '', /changed this meanwhile/);

  const once = { 'idempotency-key': 'power-off-1' };
  const first = await service.must<{ id: string }>('POST', '/vms/one/power-off', undefined, once);
  await service.task(first.id);
  assert.is((await service.must<{ id: string }>('POST', '/vms/one/power-off', undefined, once)).id, first.id);
  await checkNothingIsLeft(service);
  real('libvirt');
}));

/** The bytes of `content` from `start` up to `end`; then the connection breaks, or nothing more comes. */
function brokenOff(content: Buffer, { start, end, breaks }: { start: number; end: number; breaks: boolean }): ReadableStream<Uint8Array> {
  let at = start;
  return new ReadableStream({
    async pull(controller) {
      const from = at;
      at = Math.min(at + 64 * 1024, end);
      if (from < at) return controller.enqueue(content.subarray(from, at));
      if (breaks) controller.error(new Error('the connection is cut'));
      await new Promise(() => {});
    },
  });
}

test('an upload is cut off by its line and by the death of the service: it goes on each time, and is whole', () => withService({ daemons: [] }, async (service) => {
  const content = randomBytes(24 * MiB);
  const upload = (start: number, body: ReadableStream<Uint8Array>) => service.api<{ id: string; sha256: string }>('PUT', '/disks/root/content', body, {
    ...octets, 'x-image-format': 'raw', 'content-range': `bytes ${start}-${content.length - 1}/${content.length}`,
  });
  const broken = (start: number, end: number, breaks: boolean) => upload(start, brokenOff(content, { start, end, breaks })).catch(() => undefined);
  const arrived = async () => (await service.must<{ receivedBytes: number }>('GET', '/disks/root/upload')).receivedBytes;
  await service.carryOut('POST', '/disks', { name: 'root', sizeBytes: content.length, format: 'raw' });

  await broken(0, 8 * MiB, true);
  const first = await service.until('the service has noticed, and goes on from there', async () => {
    const start = await arrived();
    void broken(start, 16 * MiB, false);
    await sleep(1_000); // a wrong place or a connection that seems alive is refused at once
    return (await arrived()) > start && start;
  });
  assert.ok(first > 0 && first <= 8 * MiB, `${first}`);
  await service.restart();
  const safe = await arrived();
  assert.ok(safe >= first, 'what was told is not lost');
  const last = await upload(safe, new Blob([content.subarray(safe)]).stream());
  assert.is(last.status, 202, JSON.stringify(last.body));
  assert.is(last.body.sha256, createHash('sha256').update(content).digest('hex'));
  await service.task(last.body.id);
  await service.settle();
  assert.ok(content.equals(await service.must<Uint8Array>('GET', '/disks/root/content')));
  real('qemu-img');
}));

test('power is cut: what was acknowledged is there, and VMs that start with the host run again', () => withService({ network: true }, async (service) => {
  const { host } = service;
  for (const [name, autostart] of [['comes', true], ['stays', false], ['asleep', true]] as const) await makeRunning(service, name, { autostart, disks: [{ sizeBytes: 4 * MiB }] });
  await service.carryOut('POST', '/vms/asleep/power-off');
  const acknowledged = await service.must<Vm>('POST', '/vms', { name: 'last', memoryBytes: 64 * MiB, disks: [{ sizeBytes: 4 * MiB }] });
  await host.powerCut();
  await host.boot();
  await service.start();

  await service.vmIs('comes', 'up');
  assert.match((await service.vmIs('stays', 'down')).reason, /^(lost|host-restarted)$/);
  assert.ok((await service.events('stays')).some(({ severity }) => severity === 'error'));
  assert.is((await service.vm('asleep')).state, 'down');
  await service.settle();
  const { disks, id } = await service.vm('last');
  assert.equal([id, disks.length, disks[0]?.state], [acknowledged.id, 1, 'ok']);
  for (const name of ['stays', 'last']) await service.carryOut('POST', `/vms/${name}/start`);
  await checkNothingIsLeft(service);
  real('libvirt', 'qemu-img');
}));

test.run();
