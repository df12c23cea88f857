/** The linter finds nothing wrong. Types are checked by the compilation that made these tests. */
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { run } from '../../appliance/core/run.ts';
import { modulesPath, rootPath } from '../../appliance/paths.ts';

test('biome finds no errors', async () => {
  const { stdout, stderr } = await run([join(modulesPath, '.bin/biome'), 'check', '--diagnostic-level=error', '--max-diagnostics=50', '--colors=off', rootPath], { timeoutMs: 60_000 });
  assert.match(`${stdout}${stderr}`, /Checked \d{3,} files/);
});

test.run();
