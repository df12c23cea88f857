/** What may be done with a version of a template in which state. Pure. */
import { keptFault, type KeptState, keptStates } from '../kept-rules.ts';

const allows = {
  use: ['ok'],
  edit: [...keptStates],
  delete: ['ok', 'broken'],
} as const satisfies Record<string, readonly KeptState[]>;

export type TemplateVerb = keyof typeof allows;

const words: Record<KeptState, string> = {
  creating: 'is still being made. Wait for its task to end.',
  ok: 'is ready.',
  deleting: 'is being deleted. Use another one.',
  broken: 'was deleted in part and nothing can be made from it. Delete it again.',
};

/** Why that cannot be done with a template now; `undefined` when it can. */
export function templateFault(verb: TemplateVerb, { name, version, state }: { name: string; version: number; state: KeptState }): string | undefined {
  return keptFault(allows[verb], `The template "${name}", version ${version},`, state, words);
}
