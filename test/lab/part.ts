/** A part of a scenario on one box: what the box says is shown when it fails. Called by tests whose parts go on from one another. */
import type { Test } from 'uvu';
import { real } from '../real/count.ts';
import type { Box } from './box.ts';

/** `boxOf` is asked when the part runs: the box is opened before the first one. */
export function partsOf(test: Test, boxOf: () => Box): (name: string, work: () => Promise<void>) => void {
  return (name, work) => test(name, async () => {
    await work().catch(async (error: Error) => {
      console.log(`${error.message}\n${await boxOf().logs()}`);
      throw error;
    });
    real('lab');
  });
}
