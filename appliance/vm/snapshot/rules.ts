/** What may be done with a snapshot in which state. Pure. */
import { keptFault, type KeptState } from '../kept-rules.ts';

const allows = {
  preview: ['ok'],
  clone: ['ok'],
  delete: ['ok', 'broken'],
} as const satisfies Record<string, readonly KeptState[]>;

const words: Record<KeptState, string> = {
  creating: 'is still being taken. Wait for its task to end.',
  ok: 'is ready.',
  deleting: 'is being deleted. Use another one.',
  broken: 'was deleted in part and cannot be gone back to. Delete it again.',
};

/** Why that cannot be done with a snapshot now; `undefined` when it can. */
export function snapshotFault(verb: keyof typeof allows, { name, state }: { name: string; state: KeptState }): string | undefined {
  return keptFault(allows[verb], `The snapshot "${name}"`, state, words);
}

/** More than that makes every read of a guest look through too many layers. */
export const mostSnapshots = 64;
