/**
 * Each start of the machine, and how it ended: in order, by the watchdog, by a fault of the kernel, or because power was lost.
 *
 * Nobody can write down that power was lost, so the end of a boot is judged at the start after it, once, from what was left: our own
 * row, the record of a fault (`watchdog.ts`), and the traces of the system (`past-boots.ts`).
 */
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { and, desc, eq, isNull, ne } from 'drizzle-orm';
import type { Activity } from '../activity/activity.ts';
import { writeFileAtomically } from '../core/atomic-file.ts';
import type { Core } from '../core/services.ts';
import type { About } from '../core/task.ts';
import type { World } from '../world.ts';
import { type End, type Fault, isTooOften, judgeEnd, type Vital } from './boot-rules.ts';
import { hostBootTable } from './table.ts';

export interface Boots {
  /** Notes that this boot is there; then judges those before it. Called again it does nothing. */
  begin(): Promise<void>;
  /** The service is alive. */
  seen(): void;
  /** The service ends in order. */
  leave(): Promise<void>;
  /** Written to disk before this resolves: the machine may be reset any moment. Undefined: it is well again. */
  noteFault(vital: Vital | undefined): Promise<void>;
  /** How the boot before this one ended; undefined when nobody knows, as at the first start. */
  lastEnd(): LastEnd | undefined;
  /** The machine was reset again and again within the last hour. */
  isResetTooOften(): boolean;
}

export interface LastEnd {
  end: End;
  at: number;
  message: string;
  /** This boot has begun within the last day, so people should still be told. */
  isNews: boolean;
}

export interface BootsDeps extends Core {
  world: World;
  activity: Pick<Activity, 'event'>;
  about(): Promise<About>;
}

const origin = { actor: 'system', operation: 'host.boot' };
const keptBoots = 200;
const newsMs = 86_400_000;
const codes: Partial<Record<End, string>> = { watchdog: 'host.watchdog-reset', panic: 'host.kernel-panic', 'power-lost': 'host.power-lost' };

export function createBoots(deps: BootsDeps): Boots {
  const { database, clock, world, log } = deps;
  let bootId = '';
  const change = (values: Partial<typeof hostBootTable.$inferInsert>) => {
    if (bootId !== '') database.write(origin, (tx) => tx.sql.update(hostBootTable).set(values).where(eq(hostBootTable.bootId, bootId)).run());
  };
  return {
    async begin() {
      if (bootId !== '') return;
      const id = await world.power.bootId();
      const { uptimeSeconds } = await world.machine.load();
      noteBoot(deps, id, Math.round(clock.now() - uptimeSeconds * 1000));
      bootId = id;
      await judgeEarlier(deps, id);
    },
    seen() {
      try {
        change({ seenAt: clock.now() });
      } catch (error) {
        log.warn('the sign of life could not be noted', { error }); // a full disk
      }
    },
    async leave() {
      try {
        change({ leftAt: clock.now(), isPlanned: await world.power.isGoingDown() });
      } catch (error) {
        log.warn('the end of the service could not be noted', { error });
      }
    },
    noteFault: (vital) => (vital ? writeFileAtomically(faultPath(deps), JSON.stringify({ bootId, at: clock.now(), vital } satisfies Fault), 0o600) : rm(faultPath(deps), { force: true })),
    lastEnd: () => {
      const own = database.sql.select().from(hostBootTable).where(eq(hostBootTable.bootId, bootId)).get();
      const row = database.sql.select().from(hostBootTable).where(ne(hostBootTable.bootId, bootId)).orderBy(desc(hostBootTable.beganAt)).limit(1).get();
      if (!own || !row || row.end === null || row.end === 'unknown') return undefined;
      return { end: row.end, at: row.endedAt ?? row.seenAt, message: row.message ?? '', isNews: row.end !== 'planned' && clock.now() - own.beganAt < newsMs };
    },
    isResetTooOften: () => {
      const rows = database.sql.select().from(hostBootTable).orderBy(desc(hostBootTable.beganAt)).limit(20).all();
      return isTooOften(rows.map(({ end, endedAt }) => ({ end, at: endedAt ?? 0 })), clock.now());
    },
  };
}

/** The row of this boot; a service that starts again in the same one has not left it after all. */
function noteBoot({ database, clock }: BootsDeps, bootId: string, beganAt: number): void {
  database.write(origin, (tx) => {
    const now = clock.now();
    const fresh = { bootId, beganAt, seenAt: now, isPlanned: false };
    tx.sql.insert(hostBootTable).values(fresh).onConflictDoUpdate({ target: hostBootTable.bootId, set: { seenAt: now, leftAt: null, isPlanned: false } }).run();
    const old = tx.sql.select().from(hostBootTable).orderBy(desc(hostBootTable.beganAt)).limit(1_000).offset(keptBoots).all();
    for (const row of old) tx.sql.delete(hostBootTable).where(eq(hostBootTable.bootId, row.bootId)).run();
  });
}

async function judgeEarlier(deps: BootsDeps, bootId: string): Promise<void> {
  const { database, world, activity } = deps;
  const open = database.sql.select().from(hostBootTable).where(and(isNull(hostBootTable.end), ne(hostBootTable.bootId, bootId))).orderBy(desc(hostBootTable.beganAt)).all();
  for (const [index, row] of open.entries()) {
    const { panic, ...rest } = await world.pastBoots.traces(row.bootId);
    const traces = { ...rest, ...(panic !== undefined && index === 0 && { panic }) }; // nothing says of which boot it is
    const fault = await readFault(deps);
    const { hasFired } = await world.watchdog.facts();
    const verdict = judgeEnd(row, traces, { fault: fault?.bootId === row.bootId ? fault : undefined, hasFired: index === 0 && hasFired });
    const host = await deps.about();
    database.write(origin, (tx) => {
      tx.sql.update(hostBootTable).set({ end: verdict.end, endedAt: Math.round(verdict.at), message: verdict.message }).where(eq(hostBootTable.bootId, row.bootId)).run();
      const code = codes[verdict.end];
      if (code) activity.event(tx, { severity: 'warning', code, message: verdict.message, ...(verdict.nextStep && { nextStep: verdict.nextStep }), about: [host] });
    });
    deps.log.info('how the boot before ended', { end: verdict.end, message: verdict.message, at: new Date(verdict.at).toISOString(), ...(panic !== undefined && { panic }) });
  }
}

const faultPath = ({ statePath }: BootsDeps) => join(statePath, 'watchdog-fault.json');

async function readFault(deps: BootsDeps): Promise<Fault | undefined> {
  try {
    return JSON.parse(await readFile(faultPath(deps), 'utf8')) as Fault; // our own file
  } catch {
    return undefined;
  }
}
