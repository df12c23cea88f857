/**
 * Built guests, kept between runs under a name that holds the hash of everything they were made from.
 *
 * In `state/test-cache` of the checkout, or where BOTHY_TEST_CACHE points. An entry is complete once it has its name;
 * two processes that build the same one at once both succeed. Called by the guests beside it.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { runProcess } from '../../process.ts';
import { checkout } from '../rack-host.ts';

/** Path of `<name>-<hash of ingredients><suffix>`; `make` is told where to write it if it does not exist yet. */
export async function cached(
  file: { name: string; suffix: string; ingredients: readonly unknown[] }, make: (path: string) => Promise<void>,
): Promise<string> {
  const folder = process.env.BOTHY_TEST_CACHE ?? join(checkout, 'state/test-cache');
  mkdirSync(folder, { recursive: true });
  const hash = createHash('sha256').update(JSON.stringify(file.ingredients)).digest('hex').slice(0, 16);
  const path = join(folder, `${file.name}-${hash}${file.suffix}`);
  if (existsSync(path)) return path;
  const draft = `${path}.${process.pid}`;
  await make(draft);
  renameSync(draft, path);
  return path;
}

/** Runs a build tool; rejects with what it printed unless it ends well. */
export async function build(argv: readonly string[], timeoutMs = 60_000): Promise<string> {
  const { code, stdout, stderr } = await runProcess(argv, { timeoutMs });
  if (code !== 0) throw new Error(`${argv.join(' ')}: exit ${code}\n${stdout}${stderr}`);
  return stdout;
}
