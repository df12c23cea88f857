/**
 * Tasks: long verbs that survive `kill -9`.
 *
 * A task is a row. Its definition is a list of steps; after each step's `do` the marker moves in one commit, together with
 * what the step has learnt (`memory`). So a step may run twice: `do` and `undo` are idempotent, and `undo` tolerates a
 * half-done `do`.
 *
 *   pending -> running -> done
 *                 |-> unwinding -> failed | cancelled        (undo from the marker back to the first step)
 *
 * At start `resume` drives every unfinished task on, or goes on unwinding it. `finished` runs in the same commit as the
 * end state, for the row that the task was about. Stopping the service leaves tasks as they are.
 */
import type { Clock } from './clock.ts';
import type { Database, Tx } from './db.ts';
import { newId } from './id.ts';
import type { Journal } from './journal.ts';
import type { Locks } from './locks.ts';
import type { Log } from './log.ts';
import { Problem } from './problem.ts';
import type { About, AnyTask, TaskProbe } from './task-definition.ts';
import { createTaskRows, type TaskRow } from './task-rows.ts';
import { definitionOf, drive, type Engine } from './task-walk.ts';

export { defineTask } from './task-definition.ts';
export type { About, AnyTask, Outcome, Step, StepContext, TaskDefinition, TaskProbe } from './task-definition.ts';

export interface Tasks {
  define(definitions: AnyTask[]): void;
  definitions(): AnyTask[];
  /** Commits a new task with the transaction; it starts after the commit. Returns its id. */
  start(tx: Tx, kind: string, input: unknown, about: About[]): string;
  get(id: string): TaskRow | undefined;
  /** Newest first. */
  list(options: { limit: number; before?: number; isActive?: boolean; about?: string }): TaskRow[];
  /** Asks a task to stop and undo what it did. Throws a Problem if it cannot. */
  cancel(tx: Tx, id: string): void;
  /** Goes on with every unfinished task; call once, when all definitions are in. */
  resume(): void;
  /** Resolves with the row when the task has ended. */
  ended(id: string, signal?: AbortSignal): Promise<TaskRow>;
  /** Aborts running steps without unwinding and waits until none runs. */
  stop(): Promise<void>;
}

export interface TaskServices {
  database: Database;
  journal: Journal;
  locks: Locks;
  clock: Clock;
  log: Log;
  probe?: TaskProbe;
}

export function createTasks(services: TaskServices): Tasks {
  const { database, journal, clock } = services;
  const rows = createTaskRows({ database, journal, clock });
  const engine: Engine = {
    rows, definitions: new Map(), running: new Map(), stopping: new AbortController(),
    locks: services.locks, clock, log: services.log, probe: services.probe ?? { at: async () => {} },
  };
  return {
    define(definitions) {
      for (const definition of definitions) {
        if (engine.definitions.has(definition.kind)) throw new Error(`two tasks named ${definition.kind}`);
        engine.definitions.set(definition.kind, definition);
      }
    },
    definitions: () => [...engine.definitions.values()],
    start(tx, kind, input, about) {
      const definition = definitionOf(engine, kind);
      const id = newId();
      rows.insert(tx, { id, kind, input: definition.input.parse(input), about, stepNames: definition.steps.map((step) => step.name) });
      tx.afterCommit(() => launch(engine, id));
      return id;
    },
    get: rows.get,
    list: rows.list,
    cancel: (tx, id) => cancel(engine, tx, id),
    resume() {
      for (const row of rows.unfinished()) launch(engine, row.id);
    },
    ended: (id, signal) => rows.ended(id, signal),
    async stop() {
      engine.stopping.abort(new Error('the service is stopping'));
      await Promise.allSettled([...engine.running.values()].map((run) => run.ended));
    },
  };
}

function cancel(engine: Engine, tx: Tx, id: string): void {
  const row = engine.rows.get(id);
  if (!row) throw new Problem('not-found', 'There is no such task. It may have been removed with the history.');
  if (!engine.rows.isActive(row)) throw new Problem('wrong-state', `This task has already ended: it is ${row.state}.`);
  if (!definitionOf(engine, row.kind).canCancel) throw new Problem('wrong-state', 'This task cannot be stopped half-way. Wait until it ends.');
  engine.rows.requestCancel(tx, id);
  tx.afterCommit(() => engine.running.get(id)?.controller.abort(new Problem('wrong-state', 'The task was cancelled.')));
}

function launch(engine: Engine, id: string): void {
  if (engine.running.has(id) || engine.stopping.signal.aborted) return;
  const controller = new AbortController();
  const ended = drive(engine, id, controller.signal)
    .catch((error) => {
      if (!engine.stopping.signal.aborted) engine.log.error('a task stopped without an end', { task: id, error });
    })
    .finally(() => engine.running.delete(id));
  engine.running.set(id, { controller, ended });
}
