/** The slots of the World: the same cases on the simulated ones here, and on those of a booted box in test/lab/slots.test.ts. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSimulatedSlots } from '../world/slots.ts';
import { defineSlotsCases } from './slots-cases.ts';

const folder = mkdtempSync(join(tmpdir(), 'bothy-slots-'));
process.on('exit', () => rmSync(folder, { recursive: true }));

defineSlotsCases({
  name: 'simulated',
  async open() {
    const slots = createSimulatedSlots({ statePath: folder });
    const stage = async (version: string, content: string) => {
      mkdirSync(slots.stagingPath, { recursive: true });
      for (const suffix of ['root.squashfs', 'efi']) writeFileSync(join(slots.stagingPath, `bothy_${version}.${suffix}`), content);
    };
    return {
      slots, stage,
      content: async (version) => slots.content(version) ?? '',
      menu: async () => slots.menu(),
      async breakWrite(version) {
        await stage(version, 'half');
        slots.failNext('systemd-run failed with exit code 1: killed');
        await slots.write(version, AbortSignal.timeout(10_000)).catch(() => {});
      },
    };
  },
});
