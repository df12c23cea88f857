/** UEFI secure boot on real QEMU: what Debian has signed starts and knows that it is protected; a kernel with one other byte does not start. */
import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { real } from './count.ts';
import { signedLinuxIso } from './guest/linux-guest.ts';
import { answerTo, boot, bootMs, closeHardwareHost, type Context, make, MiB, openHardwareHost, serialOf } from './hardware-guests.ts';

const test = suite<Context>('secure boot');
test.before(openHardwareHost);
test.after(closeHardwareHost);

async function makeSigned(service: Context['service'], how: 'whole' | 'spoilt'): Promise<void> {
  await service.must('PUT', `/storage-domains/isos/files/signed-${how}.iso`, new Uint8Array(readFileSync(await signedLinuxIso(how))));
  await make(service, how, { firmware: 'efi-secure', memoryBytes: 512 * MiB, cdrom: `signed-${how}.iso` });
}

test('a signed system starts and knows it', async (context) => {
  const { service } = context;
  await makeSigned(service, 'whole');
  await boot(service, 'whole');
  const told = await answerTo(context, 'whole', 'dmesg | grep -i secure');
  assert.match(told, /Secure boot enabled/);
  await service.carryOut('POST', '/vms/whole/power-off');
  real('libvirt', 'qemu');
});

test('a system that was tampered with does not start', async ({ service }) => {
  await makeSigned(service, 'spoilt');
  await service.carryOut('POST', '/vms/spoilt/start');
  await service.until('it is refused', async () => /bad shim signature/.test(await serialOf(service, 'spoilt')), bootMs);
  assert.not.match(await serialOf(service, 'spoilt'), /begin report/);
  await service.carryOut('POST', '/vms/spoilt/power-off');
  real('libvirt', 'qemu');
});

test.run();
