/** Taking a site file: its row and its task in one transaction, the same for the API and for what is found. */
import type { Tx } from '../core/db.ts';
import { type FieldError, Problem } from '../core/problem.ts';
import { checkSite, type CheckedSite } from './check.ts';
import type { SiteServices } from './services.ts';

export const checkText = ({ key }: Pick<SiteServices, 'key'>, text: string): CheckedSite => checkSite(text, { unseal: key.unseal });

/** Throws `invalid-input` with every fault and its line. */
export function requireGood(checked: CheckedSite): asserts checked is CheckedSite & { site: NonNullable<CheckedSite['site']> } {
  if (checked.site) return;
  const errors: FieldError[] = checked.faults.map(({ line, column, path, message }) => ({ path: 'text', message: `Line ${line}, column ${column}${path ? `, ${path}` : ''}: ${message}` }));
  throw new Problem('invalid-input', errors.length === 1 ? `The site file has a mistake. ${errors[0]?.message}` : `The site file has ${errors.length} mistakes.`, { errors });
}

export interface Taken {
  text: string;
  checked: CheckedSite;
  source: string;
  isFound: boolean;
}

/** Begins to apply it; returns the id of the task. */
export function take(services: SiteServices, tx: Tx, { text, checked, source, isFound }: Taken): string {
  const { files, key } = services;
  const document = key.sealAt(checked.document, checked.secrets);
  const row = files.insert(tx, { state: 'applying', source, digest: key.digest(text), document, faults: [], isFound, actor: tx.origin.actor });
  return begin(services, tx, row.id);
}

/** Applies a file that is known: one that waits, or one that has failed. */
export function begin({ files, tasks, activity, hostId }: SiteServices, tx: Tx, file: string): string {
  const task = tasks.start(tx, 'site.apply', { file }, [{ kind: 'host', id: hostId, name: 'this host' }]);
  files.update(tx, file, { state: 'applying', task, endedAt: null });
  for (const code of ['site-file.refused', 'site-file.waiting']) activity.settle(tx, code, [hostId]);
  return task;
}
