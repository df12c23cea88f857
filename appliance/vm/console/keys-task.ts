/**
 * Pressing keys. Unlike all else this must not be done twice: a second Enter answers the next question. So it is done by the life of the
 * service that was asked, once; one that was interrupted says so instead of trying again. Which keys it were is forgotten with its end.
 */
import * as z from 'zod';
import { exclusive } from '../../core/locks.ts';
import { Problem } from '../../core/problem.ts';
import { type AnyTask, defineTask } from '../../core/task.ts';
import { asRefusal } from '../domain.ts';
import { chordCodes } from './keys.ts';
import type { VmServices } from '../services.ts';

interface Input {
  vm: string;
  keys: string[];
  /** The life of the service that may press them. */
  life: string;
}

/** As long as libvirt holds a key, and a moment for the guest. */
const betweenMs = 150;

export function sendKeysTask(services: VmServices): AnyTask {
  const { hypervisor, clock } = services;
  return defineTask<Input>({
    kind: 'vm.send-keys', canCancel: true,
    input: z.object({ vm: z.string(), keys: z.array(z.string()), life: z.string() }),
    locks: ({ vm }) => [exclusive('vm-keys', vm)],
    remains: (input) => ({ ...input, keys: [] }), // somebody may have typed a password
    steps: [{
      name: 'Press the keys',
      timeoutMs: 60_000,
      async do({ input: { vm, keys, life }, signal, progress }) {
        if (life !== services.life) throw new Problem('unavailable', 'The service was restarted meanwhile, and some of the keys may have arrived. Look at the screen, then press what is missing.');
        for (const [index, chord] of keys.entries()) {
          if (index > 0) await clock.sleep(betweenMs, signal);
          await hypervisor.sendKeys(vm, chordCodes(chord) ?? []).catch((error: unknown) => {
            throw asRefusal(error, 'The keys could not be pressed');
          });
          progress((index + 1) / keys.length);
        }
      },
    }],
  });
}
