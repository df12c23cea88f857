/**
 * Sends events to their destinations: each at its own pace, in order, again and again until they are taken, over restarts.
 *
 * Woken by the event log. What waits is what lies behind a destination's position in that log; the position moves in one commit when a
 * bundle was taken. So a cut between the two sends a bundle twice, and none is lost. A receiver that is dead holds up nobody else.
 */
import { hostname } from 'node:os';
import type { Tx } from '../core/db.ts';
import type { Outgoing } from '../core/outgoing.ts';
import type { Core } from '../core/services.ts';
import type { Carrier } from './carrier.ts';
import { type DeliveryFault, explainFault } from './delivery-faults.ts';
import { type Batch, testBatch } from './delivery-rules.ts';
import { type DestinationKind, receiverOf, resolved, secretNames, tellAfter, waitMs } from './destination-rules.ts';
import { type DestinationRow, type Destinations, failedCode, recoveredCode, type Waiting, wholeOf } from './destinations.ts';
import { carryMail } from './email.ts';
import type { Events } from './events.ts';
import { carrySyslog } from './syslog.ts';
import { carryWebhook } from './webhook.ts';

export interface Forwarding {
  /** Sends one made-up event now; rejects with what failed. */
  test(row: DestinationRow, signal: AbortSignal): Promise<void>;
  /** It was changed or has been shown to work: what waits is tried at once. */
  nudge(tx: Tx, id: string): void;
  /** Nothing is to be said of its trouble any more. */
  forget(tx: Tx, id: string): void;
}

export interface ForwardingDeps extends Core {
  destinations: Destinations;
  events: Events;
  outgoing: Outgoing;
}

const carriers: Record<DestinationKind, Carrier> = { syslog: carrySyslog, email: carryMail, webhook: carryWebhook };
/** Only for what no event has told, such as a clock that was set. */
const periodMs = 300_000;
/** What is no failure of the receiver, such as a full disk of ours. */
const afterErrorMs = 30_000;
const origin = { actor: 'system', operation: 'event.forward' };

/** One destination at work. */
interface Line {
  rest: AbortController;
}

export function createForwarding(deps: ForwardingDeps): Forwarding {
  const { reconcilers, journal, destinations, events, log, clock } = deps;
  const lines = new Map<string, Line>();
  const wake = () => reconcilers.wake('forwarding');
  const begin = (row: DestinationRow, signal: AbortSignal) => {
    const line = { rest: new AbortController() };
    lines.set(row.id, line);
    serve(deps, row.id, line, signal)
      .catch(async (error) => {
        if (!signal.aborted) log.error('a destination stopped', { destination: row.name, error });
        await clock.sleep(afterErrorMs, signal).catch(() => {});
      })
      .finally(() => lines.delete(row.id))
      .then(() => { if (!signal.aborted) wake(); });
  };
  reconcilers.add({
    name: 'forwarding', periodMs,
    run: async (signal) => {
      for (const row of destinations.all()) if (!lines.has(row.id) && destinations.canSend(row) && destinations.waiting(row)) begin(row, signal);
    },
  });
  journal.subscribe(({ kind }) => { if (kind === 'event') wake(); });
  return {
    test: (row, signal) => deliver(deps, row, testBatch(row.name, deps.clock.now()), signal),
    nudge(tx, id) {
      destinations.note(tx, { ...destinations.delivery(id), lastTryAt: null });
      tx.afterCommit(() => {
        lines.get(id)?.rest.abort();
        wake();
      });
    },
    forget: (tx, id) => events.settle(tx, failedCode, [id]),
  };
}

/** Until nothing waits, or the destination is no more. What it must do is read anew each time. */
async function serve(deps: ForwardingDeps, id: string, line: Line, signal: AbortSignal): Promise<void> {
  const { destinations, clock } = deps;
  while (!signal.aborted) {
    const row = destinations.find(id);
    const waiting = row && destinations.canSend(row) ? destinations.waiting(row) : undefined;
    if (!row || !waiting) return;
    const { kind, gatherMinutes } = resolved(wholeOf(row));
    const pause = waitMs({ kind, gatherMinutes, ...destinations.delivery(id), oldestAt: waiting.oldestAt }, clock.now());
    if (pause > 0) {
      line.rest = new AbortController();
      await clock.sleep(pause, AbortSignal.any([signal, line.rest.signal])).catch(() => {});
    } else await attempt(deps, row, waiting, signal);
  }
}

async function attempt(deps: ForwardingDeps, row: DestinationRow, waiting: Waiting, signal: AbortSignal): Promise<void> {
  const fault = await deliver(deps, row, waiting, signal).then(() => undefined, (error: DeliveryFault) => error);
  if (signal.aborted) return;
  deps.database.write(origin, (tx) => {
    if (deps.destinations.find(row.id)?.generation !== row.generation) return; // it has become another one meanwhile
    if (fault) noteFault(deps, tx, row, fault);
    else noteSuccess(deps, tx, row, waiting);
  });
}

const aboutOf = ({ id, name }: DestinationRow) => [{ kind: 'destination', id, name }];

function noteSuccess({ destinations, events, clock }: ForwardingDeps, tx: Tx, row: DestinationRow, { end }: Waiting): void {
  const before = destinations.delivery(row.id);
  const now = clock.now();
  destinations.note(tx, { ...before, position: end, failures: 0, failingSince: null, problem: null, lastTryAt: now, lastDeliveredAt: now });
  if (before.failures < tellAfter) return;
  events.settle(tx, failedCode, [row.id]);
  events.event(tx, { severity: 'info', code: recoveredCode, message: `Events reach the destination "${row.name}" again. What waited is sent now.`, about: aboutOf(row) });
}

function noteFault({ destinations, events, clock, log }: ForwardingDeps, tx: Tx, row: DestinationRow, { message, nextStep }: DeliveryFault): void {
  const before = destinations.delivery(row.id);
  const now = clock.now();
  const failures = before.failures + 1;
  destinations.note(tx, { ...before, failures, failingSince: before.failingSince ?? now, lastTryAt: now, problem: { message, nextStep } });
  if (failures !== tellAfter) return;
  log.warn('a destination takes no events', { destination: row.name, problem: message });
  events.event(tx, {
    severity: 'warning', code: failedCode, isStanding: true, about: aboutOf(row),
    message: `Events do not reach the destination "${row.name}". ${message}`, nextStep: `${nextStep} What waits is sent as soon as it works again.`,
  });
}

/** Rejects with a `DeliveryFault`. */
async function deliver({ outgoing, clock }: ForwardingDeps, row: DestinationRow, batch: Batch, signal: AbortSignal): Promise<void> {
  const whole = wholeOf(row);
  const to = resolved(whole);
  const where = row.kind === 'webhook' ? receiverOf(whole) : `${to.host}:${to.port}`;
  try {
    await carriers[row.kind]({ id: row.id, to, batch, host: hostname(), now: clock.now(), outgoing, signal });
  } catch (error) {
    throw explainFault(error, where, secretNames.flatMap((name) => row.secrets[name] ?? []));
  }
}
