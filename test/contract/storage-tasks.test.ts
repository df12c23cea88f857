/** The tasks of storage that drive qemu-img, killed at every instant and started again, with the real one on real files. */
import { suite } from 'uvu';
import { createDiskSpace } from '../../appliance/storage/disk-space.ts';
import { createQemuImg } from '../../appliance/storage/qemu-img.ts';
import { real } from '../real/count.ts';
import { playKilledEverywhere, scenarios } from '../task/storage-scenarios.ts';

const test = suite('storage tasks killed at every instant, qemu-img');
for (const scenario of scenarios) {
  test(scenario.name, async () => {
    await playKilledEverywhere(scenario, { imageTool: createQemuImg(), gauge: createDiskSpace() });
    real('qemu-img');
  });
}
test.run();
