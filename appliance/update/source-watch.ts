/**
 * What lies at the address of the policy: the beginning of the bundle there is read once a day, and what is signed by a trusted key and newer
 * is offered. Where the policy says so it is installed when it is found, and switched to when the window opens; the health gate
 * then decides as after every switch.
 *
 *   address -> its first bytes -> signature of the manifest -> offered          -> (in-window) update.install -> window -> update.switch
 */
import type { Origin } from '../core/db.ts';
import { Problem } from '../core/problem.ts';
import type { Reconciler } from '../core/reconciler.ts';
import { activeTask, beginInstall, beginSwitch, planSwitch, type SwitchServices } from './begin.ts';
import { headBytes, readHead } from './bundle.ts';
import { isStaged } from './install-task.ts';
import { type Manifest, manifestFault } from './manifest.ts';
import { isInWindow, minuteOfDay, nextMove } from './policy-rules.ts';
import type { PolicyWish, WantedPolicy } from './policy.ts';
import { switchTarget } from './rules.ts';

export const sourceWatch = 'update-source';
const origin: Origin = { actor: 'system', operation: 'update.policy' };
const [minute, hour] = [60_000, 3_600_000];
/** Of a look that told something, and of one that failed. */
const lookAgainMs = { told: 24 * hour, failed: hour };
const shutdownSeconds = 300;

export interface FoundAtSource {
  source: string;
  lookedAt: number;
  manifest: Manifest | undefined;
  /** Why nothing can be told of it. */
  fault: string | undefined;
}

export interface SourceWatch extends Reconciler {
  found(): FoundAtSource | undefined;
  /** Why what is found is not installed or switched to just now; `undefined` when nothing waits. */
  waitsFor(): string | undefined;
  /** The next round looks, whenever the last look was. */
  lookSoon(): void;
}

export function watchSource(services: SwitchServices, policy: Pick<PolicyWish, 'wanted'>): SourceWatch {
  const { clock, reconcilers, database, journal, host } = services;
  let found: FoundAtSource | undefined;
  let waitsFor: string | undefined;
  let triedAt = 0;
  let isLookWanted = false;

  const isDue = ({ source }: WantedPolicy) => isLookWanted || found?.source !== source || clock.now() - found.lookedAt >= (found.manifest ? lookAgainMs.told : lookAgainMs.failed);
  const changed = () => database.write(origin, (tx) => journal.observed(tx, { kind: 'update', id: host.id, what: 'updated' }));
  const advance = async (wanted: WantedPolicy): Promise<string | undefined> => {
    if (!found?.manifest || wanted.install !== 'in-window') return undefined;
    const tried = () => { triedAt = clock.now(); };
    return bringOn(services, found.manifest, { wanted, isTried: triedAt >= found.lookedAt, tried });
  };
  return {
    name: sourceWatch, periodMs: 5 * minute,
    found: () => found,
    waitsFor: () => waitsFor,
    lookSoon() {
      isLookWanted = true;
      reconcilers.wake(sourceWatch);
    },
    async run(signal) {
      const wanted = policy.wanted();
      const before = JSON.stringify([found, waitsFor]);
      const isLookDue = isDue(wanted);
      isLookWanted = false; // before the look: whoever asks during it gets another one
      if (wanted.source === null) found = undefined;
      else if (isLookDue) found = await look(services, wanted.source, { signal, known: found?.manifest?.version });
      waitsFor = await advance(wanted);
      if (JSON.stringify([found, waitsFor]) !== before) changed();
    },
  };
}

async function look(services: SwitchServices, source: string, { signal, known }: { signal: AbortSignal; known: string | undefined }): Promise<FoundAtSource> {
  const { world: { downloads, slots }, keys, clock } = services;
  try {
    const manifest = await readHead(await downloads.readBeginning({ url: source, bytes: headBytes, signal, isVerifiedLater: true }), keys());
    const isFit = manifestFault(manifest, await slots.facts()) === undefined;
    if (isFit && manifest.version !== known) tell(services, manifest.version, source);
    return { source, lookedAt: clock.now(), manifest, fault: undefined };
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    return { source, lookedAt: clock.now(), manifest: undefined, fault: error.message };
  }
}

/** Once for each version and start of the service: it may be the first that somebody hears of it. */
function tell({ database, activity }: SwitchServices, version: string, source: string): void {
  database.write(origin, (tx) => activity.event(tx, {
    severity: 'info', code: 'update.at-source', message: `Version ${version} lies at ${new URL(source).host}.`, about: [],
    nextStep: 'Install it on the page "Updates", unless it is installed by itself there.',
  }));
}

/** One move on the way to that version; gives what it waits for. */
async function bringOn(services: SwitchServices, manifest: Manifest, { wanted, isTried, tried }: { wanted: WantedPolicy; isTried: boolean; tried(): void }): Promise<string | undefined> {
  const { world, clock, database } = services;
  const { version } = manifest;
  const facts = await world.slots.facts();
  if (manifestFault(manifest, facts) || activeTask(services) !== undefined) return undefined;
  const { timeZone } = await world.hostSettings.read();
  const isWindowOpen = isInWindow(wanted.window, minuteOfDay(clock.now(), timeZone));
  const move = nextMove({ version, facts, isStaged: await isStaged(services, version), isWindowOpen, isTried });
  if ('waitsFor' in move) return move.waitsFor;
  try {
    if (move.do === 'install') {
      database.write(origin, (tx) => beginInstall(services, tx, { url: wanted.source, allowOlder: false }));
      tried();
    } else {
      const plan = await planSwitch(services, (now) => [switchTarget(now, { isRetry: false })].find((slot) => slot?.version === version), `Version ${version} is not there any more.`);
      database.write(origin, (tx) => beginSwitch(services, tx, plan, { shutdownSeconds, cutOff: false, acceptsLoss: false }));
    }
    return undefined;
  } catch (error) {
    if (error instanceof Problem) return error.message;
    throw error;
  }
}
