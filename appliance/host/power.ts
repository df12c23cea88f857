/** The machine's own power, through systemd: it stops the services in order, this one among them, before the power goes. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run, ToolError } from '../core/run.ts';
import type { Power } from '../world.ts';

const acceptMs = 30_000;
const lookMs = 5_000;

/** `root` is where /proc is found, `systemctl` the program that is asked: others in tests. */
export function createPower({ root = '/', systemctl = 'systemctl' }: { root?: string; systemctl?: string } = {}): Power {
  const ask = async (verb: 'poweroff' | 'reboot') => { await run([systemctl, '--no-ask-password', '--no-wall', verb], { timeoutMs: acceptMs }); };
  return {
    bootId: async () => (await readFile(join(root, 'proc/sys/kernel/random/boot_id'), 'utf8')).trim(),
    powerOff: () => ask('poweroff'),
    reboot: () => ask('reboot'),
    // It ends with an error for every state but one; what it prints is the answer.
    isGoingDown: () => run([systemctl, 'is-system-running'], { timeoutMs: lookMs }).then(
      () => false,
      (error: unknown) => error instanceof ToolError && error.stdout.trim() === 'stopping',
    ),
  };
}
