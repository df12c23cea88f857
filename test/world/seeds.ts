/** The simulated tool for seeds: a file that holds label and files as JSON, so that a test reads what a guest would. Passes the cases of `test/contract/seeds.test.ts`. */
import { readFile, rename, writeFile } from 'node:fs/promises';
import { ToolError } from '../../appliance/core/run.ts';
import type { SeedFiles, SeedTool } from '../../appliance/world.ts';

const roomBytes = 900 * 1024;

export const simulatedSeeds: SeedTool = {
  async write(path, { label, files, signal }) {
    if (signal.aborted) throw failed('aborted', '');
    const bytes = Object.values(files).reduce((sum, content) => sum + Buffer.byteLength(content), 0);
    if (bytes > roomBytes) throw failed('exit', 'Disk full');
    await writeFile(`${path}.new`, JSON.stringify({ label: label.toUpperCase(), files }), { mode: 0o600 });
    await rename(`${path}.new`, path);
  },
};

/** What `write` has left. */
export async function readSimulatedSeed(path: string): Promise<{ label: string; files: SeedFiles }> {
  return JSON.parse(await readFile(path, 'utf8')) as { label: string; files: SeedFiles }; // as written above
}

const failed = (failure: 'exit' | 'aborted', stderr: string) => new ToolError(['mcopy'], failure, { exitCode: failure === 'exit' ? 1 : null, killedBy: null, stdout: '', stderr });
