/** How an earlier boot ended, from what outlives it: the journal, and what systemd-pstore has saved of a kernel that could not go on. */
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../core/run.ts';
import type { BootTraces, PastBoots } from '../world.ts';
import { type JournalLine, missedIn, panicIn } from './boot-rules.ts';

const readMs = 60_000;
/** logind's message when a shutdown or restart begins (SD_MESSAGE_SHUTDOWN of systemd). */
const shutdownMessage = 'MESSAGE_ID=98268866d1d54a499c4e98921d93bc40';

/** `root` is where /var and /proc are found, `journalctl` the program that is asked: others in tests. */
export function createPastBoots({ root = '/', journalctl = 'journalctl' }: { root?: string; journalctl?: string } = {}): PastBoots {
  const read = async (bootId: string, ...more: string[]): Promise<JournalLine[]> => {
    const { stdout } = await run([journalctl, '--quiet', '--no-pager', '--output=json', '--output-fields=MESSAGE', `--boot=${bootId.replaceAll('-', '')}`, ...more], { timeoutMs: readMs, maxOutputBytes: 4 << 20 });
    return stdout.split('\n').filter(Boolean).map((line) => JSON.parse(line) as JournalLine); // journalctl's own form
  };
  return {
    async traces(bootId) {
      try {
        const [last] = await read(bootId, '--lines=1');
        const shutdown = await read(bootId, '--lines=1', shutdownMessage);
        const missed = missedIn(await read(bootId, '--lines=500', '--identifier=wdmd'));
        const panic = await findPanic(root);
        return { wasShutDown: shutdown.length > 0, ...(missed && { missed }), ...(panic !== undefined && { panic }), ...(last && { lastAt: Number(last.__REALTIME_TIMESTAMP) / 1000 }) } satisfies BootTraces;
      } catch {
        return { wasShutDown: false }; // no journal, or none of that boot
      }
    },
  };
}

/** Of the records that were saved since this boot began. */
async function findPanic(root: string): Promise<string | undefined> {
  const folder = join(root, 'var/lib/systemd/pstore');
  const uptimeMs = Number.parseFloat(await readFile(join(root, 'proc/uptime'), 'utf8')) * 1000;
  const names = await readdir(folder, { recursive: true }).catch(() => []);
  for (const name of names.filter((each) => /(^|\/)dmesg[^/]*$/.test(each)).sort()) {
    const path = join(folder, name);
    if ((await stat(path)).mtimeMs < Date.now() - uptimeMs) continue;
    const panic = panicIn(await readFile(path, 'utf8'));
    if (panic !== undefined) return panic;
  }
  return undefined;
}
