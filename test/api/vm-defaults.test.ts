/** The processor model of VMs that have chosen none: one setting for all, offered as the host can run it, visible as waiting at VMs that run. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { GiB } from '../../appliance/core/units.ts';
import { offeredModels } from '../../appliance/vm/defaults/rules.ts';
import { openTestApp, type TestApp } from '../world/app.ts';
import { callsOf, type Json } from '../world/calls.ts';
import { untilReady } from '../world/ready.ts';
import { find } from '../world/xml.ts';

let site: TestApp;
test.before.each(async () => {
  site = await openTestApp();
  await untilReady(site);
});
test.after.each(() => site.close());

const { send, carryOut } = callsOf(() => site);
const get = async (path: string) => (await send('GET', path)).body;
const create = (name: string, body: object = {}) => send('POST', '/vms', { name, memoryBytes: GiB, ...body });
const cpuOf = (name: string) => {
  const tree = site.host.libvirt.domains().find((each) => each.name === name)?.tree;
  return tree && (find(tree, 'cpu/model')?.text ?? find(tree, 'cpu')?.attributes['mode']);
};

test('what is offered is what the host can run: with KVM what its processor has, without it all that QEMU emulates', () => {
  const known = [{ name: 'Nehalem', isUsable: true }, { name: 'EPYC-Milan', isUsable: false }, { name: 'unheard-of', isUsable: true }];
  assert.equal(offeredModels(known, 'kvm'), ['auto', 'host-model', 'host-passthrough', 'Nehalem']);
  assert.equal(offeredModels(known, 'tcg'), ['auto', 'host-model', 'EPYC-Milan', 'Nehalem']);
  assert.equal(offeredModels(undefined, 'tcg'), ['auto', 'host-model'], 'libvirt has not told yet');
});

test('the default holds for VMs that have chosen none, from the next start of each on', async () => {
  assert.equal([(await get('/vm-defaults')).cpu, (await get('/vm-defaults')).offeredCpus.includes('EPYC-Rome')], ['auto', true]);
  await create('web');
  await create('own', { cpu: 'Westmere' });
  for (const name of ['web', 'own']) await carryOut('POST', `/vms/${name}/start`);
  assert.equal([cpuOf('web'), cpuOf('own')], ['host-model', 'Westmere']);
  assert.is((await send('PATCH', '/vm-defaults', { cpu: 'Nehalem' })).status, 200);
  assert.equal([(await get('/vms/web')).pending, (await get('/vms/own')).pending], [['cpu'], []]);
  await carryOut('POST', '/vms/web/power-off');
  await carryOut('POST', '/vms/web/start');
  assert.equal([cpuOf('web'), (await get('/vms/web')).pending, (await get('/vms/web')).cpu], ['Nehalem', [], 'auto']);
  await send('PATCH', '/vm-defaults', { cpu: 'auto' });
  assert.equal((await get('/vms/web')).pending, ['cpu']);
  site = await site.killAndRestart();
  assert.equal((await get('/vms/web')).pending, ['cpu'], 'a VM that is taken over knows with which it was started');
});

test('a model that the host cannot run is refused at its field, and changes nothing', async () => {
  const refused = await send('PATCH', '/vm-defaults', { cpu: 'EPYC-Milan' });
  assert.equal([refused.status, refused.body.errors.map(({ path }: Json) => path)], [400, ['cpu']]);
  assert.equal([(await get('/vm-defaults')).cpu, (await get('/vm-defaults')).generation], ['auto', 0]);
  await send('PATCH', '/vm-defaults', { cpu: 'host-passthrough' });
  await create('web');
  await carryOut('POST', '/vms/web/start');
  assert.is(cpuOf('web'), 'host-passthrough');
});

test('a model of its own that the host cannot run, or does not know, is refused at the start, with what to do', async () => {
  for (const [cpu, why] of [['EPYC-Milan', /^The processor of this host lacks what the model AMD EPYC Milan has\. Choose another processor model, such as "Like the host"\.$/], ['GraniteRapids', /^QEMU on this host does not know the processor model Intel Granite Rapids\./]] as const) {
    await create(cpu, { cpu });
    const { body } = await send('POST', `/vms/${cpu}/start`);
    const task = await site.app.core.tasks.ended(body.id);
    assert.is(task.state, 'failed');
    assert.match((task.problem as Json).detail, why);
  }
  site.host.libvirt.facts.cpuModels.push({ name: 'GraniteRapids', isUsable: true });
  await carryOut('POST', '/vms/GraniteRapids/start');
  assert.is(cpuOf('GraniteRapids'), 'GraniteRapids');
});

test('a site file sets it and names it', async () => {
  await send('PATCH', '/vm-defaults', { cpu: 'Penryn' });
  const exported = await site.door.request('http://bothy/api/v1/site/export', { headers: { authorization: `Bearer ${(await send('POST', '/tokens', { name: 'export' })).body.token}` } });
  assert.match(await exported.text(), /vmDefaults:\n {2}cpu: Penryn/);
  const { body: plan } = await send('POST', '/site/plan', { text: 'bothy: 1\nvmDefaults:\n  cpu: Conroe\n' });
  assert.equal(plan.steps.map(({ section, details }: Json) => [section, details]), [['vmDefaults', ['cpu: Penryn -> Conroe']]]);
});

test.run();
