/** Why the service does not answer, from the system that runs it. Empty where there is no systemd to ask. */
import { run } from '../core/run.ts';

const askMs = 5_000;
const unit = 'bothyd.service';

export async function whyAway(): Promise<string> {
  const { stdout } = await run(['systemctl', 'show', '--property=ActiveState,SubState,Result,NRestarts', '--', unit], { timeoutMs: askMs });
  const fact = (name: string) => new RegExp(`^${name}=(.*)$`, 'm').exec(stdout)?.[1] ?? '';
  if (fact('Result') === 'success' && fact('NRestarts') === '0' && fact('ActiveState') !== 'failed') return '';
  const log = await run(['journalctl', '--unit', unit, '--lines=4', '--output=cat', '--no-pager', '--quiet'], { timeoutMs: askMs }).catch(() => undefined);
  return [`${unit}: ${fact('ActiveState')} (${fact('SubState')}), ${fact('Result')}, ${fact('NRestarts')} restarts`, ...(log ? lastLines(log.stdout) : [])].join('\n');
}

/** The last ones, without the stack of an error. */
export function lastLines(text: string): string[] {
  return text.split('\n').filter((line) => line.trim() !== '' && !/^\s+at /.test(line)).slice(-3);
}
