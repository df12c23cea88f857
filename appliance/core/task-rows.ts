/**
 * Task rows: what the engine in `task.ts` writes about a task and what everyone may read of it. Each function is one commit.
 */
import { and, desc, eq, inArray, like, lt, notInArray, type SQL } from 'drizzle-orm';
import type { Clock } from './clock.ts';
import type { Database, Origin, Tx } from './db.ts';
import { createNotices } from './events.ts';
import type { Journal } from './journal.ts';
import type { ProblemJson } from './problem.ts';
import { taskTable } from './table.ts';
import type { About, AnyTask } from './task-definition.ts';

export type TaskRow = typeof taskTable.$inferSelect;
export type TaskState = TaskRow['state'];

const endStates: TaskState[] = ['done', 'failed', 'cancelled'];
/** A progress report is written at most this often, milliseconds. */
const progressEveryMs = 500;
const engineOrigin: Origin = { actor: 'system', operation: 'task' };

export interface NewTask {
  id: string;
  kind: string;
  input: unknown;
  about: About[];
  stepNames: string[];
}

export function createTaskRows({ database, journal, clock }: { database: Database; journal: Journal; clock: Clock }) {
  const endings = createNotices<string>(() => {});
  const reported = new Map<string, number>();

  const get = (id: string) => database.sql.select().from(taskTable).where(eq(taskTable.id, id)).get();
  const require = (id: string) => {
    const row = get(id);
    if (!row) throw new Error(`task ${id} has gone`);
    return row;
  };
  const isActive = (row: TaskRow) => !endStates.includes(row.state);
  const update = (tx: Tx, id: string, values: Partial<TaskRow>) => {
    tx.sql.update(taskTable).set(values).where(eq(taskTable.id, id)).run();
    journal.observed(tx, { kind: 'task', id, what: 'updated' });
  };
  const set = (id: string, values: Partial<TaskRow>) => database.write(engineOrigin, (tx) => update(tx, id, values));

  return {
    get, require, isActive,
    insert(tx: Tx, task: NewTask) {
      const { actor, operation, requestId } = tx.origin;
      tx.sql.insert(taskTable).values({
        ...task, state: 'pending', memory: {}, marker: 0, isCancelRequested: false, progress: 0, message: '',
        problem: null, actor, operation, requestId: requestId ?? null, createdAt: clock.now(), startedAt: null, endedAt: null,
      }).run();
      journal.observed(tx, { kind: 'task', id: task.id, what: 'created' });
    },
    unfinished: () => database.sql.select().from(taskTable).where(notInArray(taskTable.state, endStates)).orderBy(taskTable.createdAt).all(),
    list(options: { limit: number; before?: number; isActive?: boolean; about?: string }) {
      const filters: SQL[] = [];
      if (options.before !== undefined) filters.push(lt(taskTable.createdAt, options.before));
      if (options.isActive !== undefined) filters.push(options.isActive ? notInArray(taskTable.state, endStates) : inArray(taskTable.state, endStates));
      if (options.about !== undefined) filters.push(like(taskTable.about, `%"${options.about}"%`));
      return database.sql.select().from(taskTable).where(and(...filters)).orderBy(desc(taskTable.createdAt)).limit(options.limit).all();
    },
    requestCancel: (tx: Tx, id: string) => update(tx, id, { isCancelRequested: true }),
    setRunning(id: string) {
      const row = require(id);
      set(id, { state: 'running', startedAt: row.startedAt ?? clock.now() });
    },
    setUnwinding: (id: string, problem: ProblemJson) => set(id, { state: 'unwinding', problem, message: '' }),
    advance(id: string, learnt: Record<string, unknown>) {
      const row = require(id);
      const marker = row.marker + 1;
      set(id, { marker, memory: { ...row.memory, ...learnt }, progress: marker / row.stepNames.length, message: '' });
    },
    retreat(id: string) {
      set(id, { marker: require(id).marker - 1 });
    },
    progress(row: TaskRow, fraction: number, message = '') {
      if (clock.now() - (reported.get(row.id) ?? 0) < progressEveryMs) return;
      reported.set(row.id, clock.now());
      set(row.id, { progress: (row.marker + Math.min(1, Math.max(0, fraction))) / row.stepNames.length, message });
    },
    end(definition: AnyTask, id: string, state: 'done' | 'failed' | 'cancelled') {
      const row = require(id);
      database.write({ actor: row.actor, operation: row.operation, ...(row.requestId && { requestId: row.requestId }) }, (tx) => {
        const input = definition.input.parse(row.input);
        update(tx, id, { state, endedAt: clock.now(), message: '', ...(state === 'done' && { progress: 1 }), ...(definition.remains && { input: definition.remains(input) }) });
        const problem = row.problem as ProblemJson | null; // written by setUnwinding
        definition.finished?.(tx, { state, input, memory: row.memory, problem: problem ?? undefined });
        tx.afterCommit(() => endings.emit(id));
      });
      reported.delete(id);
    },
    ended(id: string, signal?: AbortSignal): Promise<TaskRow> {
      const row = require(id);
      if (!isActive(row)) return Promise.resolve(row);
      return new Promise((resolve, reject) => {
        const off = endings.on((ended) => {
          if (ended !== id) return;
          off();
          resolve(require(id));
        });
        signal?.addEventListener('abort', () => { off(); reject(signal.reason); }, { once: true });
      });
    },
  };
}
