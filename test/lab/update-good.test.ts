/** A good version: installed while VMs run on, switched to in one step, judged by the gate, blessed by the boot loader, kept over the next power cut. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { real } from '../real/count.ts';
import { openUpdateBox, type UpdateBox } from './update-box.ts';

const good = { version: '0.1.1' };

let subject: UpdateBox;

test.before(async () => {
  subject = await openUpdateBox({ bundles: { good } });
  await subject.box.must('POST', '/vms', { name: 'till', vcpus: 1, memoryBytes: 64 << 20, disks: [], nics: [], autostart: true });
  await subject.box.carryOut('POST', '/vms/till/start');
});

const menu = () => subject.box.inside('ls $(bootctl --print-esp-path)/EFI/Linux');

test('it is installed in the other slot, which does not start yet; the VM runs on', async () => {
  assert.match(await subject.install('good'), /Done/);
  assert.is((await subject.update()).next, good.version);
  assert.is(await subject.stateOf(good.version), 'installed');
  assert.not.match(await menu(), /0\.1\.1/);
  await subject.box.vmIs('till', 'up');
  real('lab');
});

test('the switch: it runs with the VM, what was written before and during its trial is there, the boot loader has blessed it', async () => {
  assert.is(await subject.write(), 'written');
  await subject.box.must('POST', '/update/switch', { shutdownSeconds: 30 });
  await subject.box.until('it is on trial, or through it', async () => {
    const seen = (await subject.box.api<{ running?: string }>('GET', '/update').catch(() => undefined))?.body;
    return seen?.running === good.version;
  }, 3_600_000);
  assert.is(await subject.write(), 'written', 'the same schema: changes are taken during the trial, too');
  assert.equal(await subject.decided(good.version).then(({ result, reasons }) => [result, reasons]), ['committed', []]);
  await subject.box.until('it is blessed', async () => (await menu()).includes(`bothy_${good.version}.efi`));
  assert.is((await subject.update()).running, good.version);
  assert.is(await subject.stateOf(subject.image.version), 'spare');
  await subject.box.vmIs('till', 'up');
  await subject.expectWrites();
  real('lab');
});

test.after(async () => {
  await subject?.box.close();
});

test.run();
