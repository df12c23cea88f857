/** Switching to another version, over its restart: killed at any instant, failing at any step. */
import { test } from 'uvu';
import { checkTask } from './harness.ts';
import { switching } from './switching.ts';
import { foundry } from './update-site.ts';

checkTask(test, switching);

test('close', async () => foundry.close());

test.run();
