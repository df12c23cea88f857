/**
 * Looks for a site file: at every start, and whenever something is plugged in. What becomes of one that is found:
 *
 *   wrong                                   a standing event with what is wrong; nothing else changes; a corrected one is taken
 *   known already                           nothing: a stick that stays in does not undo what people change by hand, nor does an older one
 *   new, and the appliance is not set up    applied: there is nobody to ask
 *   new, and an older file was applied      applied if that one says `onNewFile: apply`, or never was applied whole; else it waits for a yes
 *   new, and people have set it up          it waits for a yes
 *
 * One that was found and failed is applied again, first after a minute, later every hour: the network may have come late.
 */
import type { Tx } from '../core/db.ts';
import type { FoundSite } from '../world.ts';
import type { SiteFileRow } from './files.ts';
import { mayApply, retryPauseMs } from './rules.ts';
import { reopen } from './look.ts';
import type { SiteServices } from './services.ts';
import { begin, checkText, take } from './take.ts';

const origin = { actor: 'site file', operation: 'site.find' };
const [refused, waiting] = ['site-file.refused', 'site-file.waiting'];

export function watchForFiles(services: SiteServices): (signal: AbortSignal) => Promise<void> {
  let seen: string | undefined;
  return async (signal) => {
    const fingerprint = await services.sources.fingerprint();
    if (fingerprint !== seen) {
      const found = fingerprint === '' ? undefined : await services.sources.find(signal);
      if (found) consider(services, found);
      else forgetWrong(services);
      seen = fingerprint;
    }
    retry(services);
  };
}

function consider(services: SiteServices, { source, text, fault }: FoundSite): void {
  const { database, files, key } = services;
  const digest = key.digest(text ?? `${source}: ${fault}`);
  const known = files.seen(digest);
  if (known && known.state !== 'passed-over') return;
  const checked = text === undefined ? undefined : checkText(services, text);
  database.write(origin, (tx) => {
    if (text === undefined || !checked?.site) refuse(services, tx, { source, digest, faults: checked?.faults ?? [{ line: 0, column: 0, path: '', message: fault ?? 'It cannot be read.' }] });
    else if (isWelcome(services)) take(services, tx, { text, checked, source, isFound: true });
    else wait(services, tx, { source, digest, document: key.sealAt(checked.document, checked.secrets) });
  });
}

function isWelcome(services: SiteServices): boolean {
  const { files, people } = services;
  const current = files.current();
  const onNewFile = current && reopen(services, current.document)?.site.onNewFile;
  return mayApply({ current, onNewFile, isSetUp: people.hasAdministrator() });
}

const about = ({ hostId }: SiteServices) => [{ kind: 'host', id: hostId, name: 'this host' }];

function refuse(services: SiteServices, tx: Tx, { source, digest, faults }: Pick<SiteFileRow, 'source' | 'digest' | 'faults'>): void {
  const { files, activity } = services;
  files.insert(tx, { state: 'refused', source, digest, document: null, faults, isFound: true, actor: origin.actor });
  const [first] = faults;
  const where = first && first.line > 0 ? `Line ${first.line}, column ${first.column}${first.path ? `, ${first.path}` : ''}: ` : '';
  const more = faults.length > 1 ? ` (and ${faults.length - 1} more)` : '';
  activity.settle(tx, waiting, [services.hostId]);
  activity.event(tx, {
    severity: 'error', code: refused, message: `The site file on ${source} is wrong and was not applied. ${where}${first?.message ?? ''}${more}`,
    nextStep: 'Correct the file and plug the stick in again, or restart. The page "Site file" tells everything that is wrong.', about: about(services), isStanding: true,
  });
}

function wait(services: SiteServices, tx: Tx, { source, digest, document }: Pick<SiteFileRow, 'source' | 'digest' | 'document'>): void {
  const { files, activity } = services;
  files.insert(tx, { state: 'waiting', source, digest, document, faults: [], isFound: true, actor: origin.actor });
  activity.settle(tx, refused, [services.hostId]);
  activity.event(tx, {
    severity: 'warning', code: waiting, message: `Another site file was found: ${source}. It was not applied by itself, because this appliance is set up already.`,
    nextStep: 'Look at what it would change on the page "Site file", then apply it there, or take the stick out.', about: about(services), isStanding: true,
  });
}

/** The stick with the wrong or the waiting file is gone. */
function forgetWrong(services: SiteServices): void {
  const found = services.files.found();
  if (!found) return;
  services.database.write(origin, (tx) => {
    services.files.update(tx, found.id, { state: 'passed-over' });
    for (const code of [refused, waiting]) services.activity.settle(tx, code, [services.hostId]);
  });
}

function retry(services: SiteServices): void {
  const { files, clock, database, tasks } = services;
  const current = files.current();
  if (!current?.isFound || current.state !== 'failed' || current.endedAt === null || files.found()) return;
  if (current.task !== null && tasks.get(current.task)?.state === 'cancelled') return; // somebody has decided
  const waitedMs = clock.now() - current.endedAt;
  if (waitedMs >= 0 && waitedMs < retryPauseMs(current.failures)) return; // less than nothing: the clock was set back
  database.write(origin, (tx) => begin(services, tx, current.id));
}
