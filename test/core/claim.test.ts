/** One service for each state folder, and no claim outlives its process. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { claimState } from '../../appliance/core/claim.ts';

const fresh = () => mkdtempSync(join(tmpdir(), 'bothy-claim-'));

test('a second claim is refused until the first is given up', () => {
  const folder = fresh();
  const release = claimState(folder);
  assert.throws(() => claimState(folder), /Another Bothy is running on .*BOTHY_STATE/);
  release();
  claimState(folder)();
});

test('a claim ends with its process, also by kill -9', async () => {
  const folder = fresh();
  const module = new URL('../../appliance/core/claim.js', import.meta.url).href;
  const script = `const { claimState } = await import('${module}'); const held = claimState(process.argv[1]); console.log('held'); setInterval(() => held.length, 1000);`;
  const other = spawn(process.execPath, ['--input-type=module', '-e', script, folder], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(other.stdout, 'data');
  assert.throws(() => claimState(folder), /Another Bothy/);
  other.kill('SIGKILL');
  await once(other, 'exit');
  claimState(folder)();
});

test.run();
