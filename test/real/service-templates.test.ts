/**
 * VMs from a template on real libvirt and QEMU: two run on one image at the same time, which neither they nor QEMU's user can write to,
 * before, meanwhile and afterwards.
 */
import { statSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { real } from './count.ts';
import { makeVm, MiB } from './kill-subjects.ts';
import { withService } from './service.ts';
import { type Disk, hashFile, volumesOf } from './service-files.ts';

const modeOf = (path: string) => (statSync(path).mode & 0o777).toString(8);

test('two VMs run on the image of one template, and nobody writes to it', () => withService({ network: true }, async (service) => {
  await makeVm(service, 'origin', { disks: [{ sizeBytes: 4 * MiB, name: 'origin' }], nics: [{ network: 'default' }] });
  await service.until('its disk is made', async () => (await service.must<Disk>('GET', '/disks/origin')).state === 'ok');
  await service.carryOut('POST', '/templates', { vm: 'origin', name: 'base' });
  const { disks: [image] } = await service.must<{ disks: { id: string }[] }>('GET', '/templates/base');
  const [path = ''] = await volumesOf(service, image?.id ?? '');
  const [mode, sum] = [modeOf(path), await hashFile(path)];
  assert.is(mode, '440');
  for (const name of ['one', 'two']) await service.must('POST', '/templates/base/vms', { name });
  for (const name of ['one', 'two']) await service.carryOut('POST', `/vms/${name}/start`);
  for (const name of ['one', 'two']) assert.is((await service.host.must(['virsh', '-q', 'domstate', name])).trim(), 'running');
  const chain = await service.host.must(['virsh', '-q', 'dumpxml', 'one']);
  assert.match(chain, /<backingStore type='file'[^]*<backingStore\/>/);
  const asQemu = async (script: string) => (await service.host.run(['setpriv', '--reuid', 'libvirt-qemu', '--clear-groups', 'sh', '-c', script])).code === 0;
  const isRefused = async () => !(await asQemu(`: >> '${path}'`));
  assert.ok(await asQemu(`head -c 1 '${path}'`), 'the user of QEMU can read it');
  assert.ok(await isRefused(), 'the user of QEMU can write to the image while a guest runs on it');
  assert.is(modeOf(path), '440');
  await service.carryOut('POST', '/vms/one/power-off');
  assert.is((await service.host.must(['virsh', '-q', 'domstate', 'two'])).trim(), 'running', 'its neighbour goes on');
  await service.carryOut('POST', '/vms/one/start');
  for (const name of ['one', 'two']) await service.carryOut('POST', `/vms/${name}/power-off`);
  assert.equal([modeOf(path), await hashFile(path)], [mode, sum]);
  assert.ok(await isRefused(), 'the user of QEMU can write to the image afterwards');
  real('libvirt', 'qemu-img');
}));

test.run();
