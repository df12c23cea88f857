/**
 * The states of what is kept of a VM, a snapshot or a version of a template, and what may be done in each. Pure.
 *
 *   creating -> ok -> deleting -> gone
 *                        \-> broken (it could not be deleted whole; delete it again)
 */
export const keptStates = ['creating', 'ok', 'deleting', 'broken'] as const;
export type KeptState = (typeof keptStates)[number];

/** Why that cannot be done now, as a sentence about `subject`; `undefined` when it can. */
export function keptFault(allowed: readonly KeptState[], subject: string, state: KeptState, words: Record<KeptState, string>): string | undefined {
  return allowed.includes(state) ? undefined : `${subject} ${words[state]}`;
}
