/** UEFI variables on real firmware: what a guest has written there comes back with a snapshot, is there again when a preview is undone, and goes along to the VMs of a template. */
import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { real } from './count.ts';
import { signedLinuxIso } from './guest/linux-guest.ts';
import { answerTo, boot, closeHardwareHost, type Context, make, MiB, openHardwareHost } from './hardware-guests.ts';

const test = suite<Context>('UEFI variables');
test.before(async (context) => {
  await openHardwareHost(context);
  await context.service.must('PUT', '/storage-domains/isos/files/signed.iso', new Uint8Array(readFileSync(await signedLinuxIso('whole'))));
});
test.after(closeHardwareHost);

const vendor = '0c3d5e2a-7b1f-4c68-9d24-6a5e8f90b1c2';
const folder = '/sys/firmware/efi/efivars';
const mount = `mkdir -p /v; mount -t efivarfs v ${folder} 2>/dev/null`;
/** Non-volatile, for the system that runs. Linux lets nobody change one that it does not know, so each word is a variable of its own. */
const write = async (context: Context, name: string, word: string) => void await answerTo(context, name, `${mount}; printf '\\007\\000\\000\\000x' >${folder}/${word}-${vendor}`);
const words = async (context: Context, name: string) => [...(await answerTo(context, name, `${mount}; ls ${folder} | grep ${vendor}`)).matchAll(new RegExp(`([a-z]+)-${vendor}\r?\n`, 'g'))].map(([, word]) => word).sort().join();

/** Powers it off at the end. */
async function start(context: Context, name: string, then = ''): Promise<string> {
  const { service } = context;
  await boot(service, name);
  const found = await words(context, name);
  if (then) await write(context, name, then);
  await service.carryOut('POST', `/vms/${name}/power-off`);
  return found;
}

test('they are part of a snapshot, come back when a preview is undone, and go along to a template', async (context) => {
  const { service } = context;
  await make(service, 'one', { firmware: 'efi', memoryBytes: 512 * MiB, cdrom: 'signed.iso', disks: [{ bus: 'virtio' }] });
  await boot(service, 'one');
  await write(context, 'one', 'first');
  assert.is(await words(context, 'one'), 'first');
  await service.carryOut('POST', '/vms/one/snapshots', { name: 'running' });
  await write(context, 'one', 'second');
  assert.is(await words(context, 'one'), 'first,second');
  await service.carryOut('POST', '/vms/one/power-off');
  await service.carryOut('POST', '/vms/one/snapshots/running/preview');
  assert.is(await start(context, 'one', 'trial'), 'first');
  await service.carryOut('POST', '/vms/one/snapshots/running/undo');
  await service.until('its layers are merged', async () => (await service.must<{ state: string }>('GET', '/disks/one-disk1')).state === 'ok');
  await service.carryOut('POST', '/templates', { vm: 'one', name: 'now' });
  await service.must('POST', '/templates/now/vms', { name: 'from-now' });
  await service.until('its disk is made', async () => (await service.must<{ state: string }>('GET', '/disks/from-now-disk1')).state === 'ok');
  await service.carryOut('PUT', '/vms/from-now/cdrom', { iso: 'signed.iso' });
  assert.is(await start(context, 'from-now'), 'first,second');
  real('libvirt', 'qemu');
});

test.run();
