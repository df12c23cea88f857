/** Templates and what is made from them, with the simulated image tool and with qemu-img. */
import { suite } from 'uvu';
import { createQemuImg } from '../../appliance/storage/qemu-img.ts';
import { real } from '../real/count.ts';
import { playTemplate } from '../task/template-site.ts';
import { qemuIoWrite, simulatedWrite } from '../world/guest-disk.ts';

const test = suite('templates');
const what = 'a template, two thin VMs and a clone: each lives its own life, and the template stays as it is';
test(`${what}, simulated`, () => playTemplate({ write: simulatedWrite }));
test(`${what}, qemu-img`, async () => {
  await playTemplate({ imageTool: createQemuImg(), write: qemuIoWrite });
  real('qemu-img');
});
test.run();
