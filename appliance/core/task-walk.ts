/**
 * The walk over a task's steps: forward from the marker, and when it cannot go on, backward to the first. Each step that is done or undone moves the
 * marker in a commit of its own. Called by `task.ts`, which says what a task is.
 */
import type { Clock } from './clock.ts';
import type { Locks } from './locks.ts';
import type { Log } from './log.ts';
import { asProblem, Problem } from './problem.ts';
import type { AnyTask, Step, StepContext, TaskProbe } from './task-definition.ts';
import type { createTaskRows, TaskRow } from './task-rows.ts';

export interface Engine {
  rows: ReturnType<typeof createTaskRows>;
  definitions: Map<string, AnyTask>;
  running: Map<string, { controller: AbortController; ended: Promise<void> }>;
  stopping: AbortController;
  locks: Locks;
  clock: Clock;
  log: Log;
  probe: TaskProbe;
}

export function definitionOf(engine: Engine, kind: string): AnyTask {
  const definition = engine.definitions.get(kind);
  if (!definition) throw new Error(`no task named ${kind}`);
  return definition;
}

/** From the marker to an end, under the task's locks. */
export async function drive(engine: Engine, id: string, cancelled: AbortSignal): Promise<void> {
  const row = engine.rows.require(id);
  const definition = definitionOf(engine, row.kind);
  const stop = engine.stopping.signal;
  const waiting = row.state === 'unwinding' ? stop : AbortSignal.any([stop, cancelled]);
  try {
    await engine.locks.withLocks(definition.locks(row.input), () => work(engine, definition, id, cancelled), waiting);
  } catch (error) {
    // Cancelled while it waited for its locks: nothing was done, so nothing is left to undo.
    if (stop.aborted || !cancelled.aborted) throw error;
    engine.rows.end(definition, id, 'cancelled');
  }
}

async function work(engine: Engine, definition: AnyTask, id: string, cancelled: AbortSignal): Promise<void> {
  if (engine.rows.require(id).state !== 'unwinding') {
    engine.rows.setRunning(id);
    const problem = await forward(engine, definition, id, cancelled);
    if (!problem) return engine.rows.end(definition, id, 'done');
    engine.rows.setUnwinding(id, problem.toJson());
  }
  await backward(engine, definition, id);
  const { isCancelRequested } = engine.rows.require(id);
  engine.rows.end(definition, id, isCancelRequested ? 'cancelled' : 'failed');
}

/** Does the steps from the marker on. Returns why it must unwind, if it must. */
async function forward(engine: Engine, definition: AnyTask, id: string, cancelled: AbortSignal): Promise<Problem | undefined> {
  for (let row = engine.rows.require(id); row.marker < definition.steps.length; row = engine.rows.require(id)) {
    const step = definition.steps[row.marker];
    if (!step) return undefined;
    if (row.isCancelRequested) return new Problem('wrong-state', 'The task was cancelled.');
    try {
      const learnt = await doStep(engine, { definition, step, row, cancelled });
      await engine.probe.at({ task: id, kind: definition.kind, step: step.name, when: 'done' });
      engine.rows.advance(id, learnt ?? {});
      await engine.probe.at({ task: id, kind: definition.kind, step: step.name, when: 'marked' });
    } catch (error) {
      engine.stopping.signal.throwIfAborted();
      if (!(error instanceof Problem)) engine.log.error('a step failed', { task: id, step: step.name, error });
      return asProblem(error);
    }
  }
  return undefined;
}

interface StepRun {
  definition: AnyTask;
  step: Step<unknown, Record<string, unknown>>;
  row: TaskRow;
  cancelled?: AbortSignal;
}

async function doStep(engine: Engine, { definition, step, row, cancelled }: StepRun) {
  await engine.probe.at({ task: row.id, kind: definition.kind, step: step.name, when: 'before' });
  const timeout = AbortSignal.timeout(step.timeoutMs ?? 300_000);
  const signal = AbortSignal.any([engine.stopping.signal, timeout, ...(cancelled ? [cancelled] : [])]);
  try {
    return await step.do(contextOf(engine, definition, row, signal));
  } catch (error) {
    if (timeout.aborted) throw new Problem('unavailable', `The step "${step.name}" took too long and was stopped. Try again.`, { cause: error });
    throw error;
  }
}

/** Undoes from the step at the marker, which may be half-done, back to the first. An undo that keeps failing is told and passed over. */
async function backward(engine: Engine, definition: AnyTask, id: string): Promise<void> {
  for (let row = engine.rows.require(id); row.marker >= 0; row = engine.rows.require(id)) {
    const step = definition.steps[row.marker];
    if (step?.undo) await undoStep(engine, { definition, step, row });
    if (step) await engine.probe.at({ task: id, kind: definition.kind, step: step.name, when: 'undone' });
    engine.rows.retreat(id);
  }
}

const undoPausesMs = [100, 1_000, 5_000];

async function undoStep(engine: Engine, { definition, step, row }: StepRun): Promise<void> {
  for (const pauseMs of [...undoPausesMs, undefined]) {
    const signal = AbortSignal.any([engine.stopping.signal, AbortSignal.timeout(step.timeoutMs ?? 300_000)]);
    try {
      return await step.undo?.(contextOf(engine, definition, row, signal));
    } catch (error) {
      engine.stopping.signal.throwIfAborted();
      engine.log.error('undoing a step failed', { task: row.id, step: step.name, error });
      if (pauseMs !== undefined) await engine.clock.sleep(pauseMs, engine.stopping.signal);
    }
  }
}

function contextOf(engine: Engine, definition: AnyTask, row: TaskRow, signal: AbortSignal): StepContext<unknown, Record<string, unknown>> {
  return {
    taskId: row.id,
    input: definition.input.parse(row.input),
    memory: row.memory,
    signal,
    progress: (fraction, message) => engine.rows.progress(row, fraction, message),
    origin: { actor: row.actor, operation: row.operation, ...(row.requestId && { requestId: row.requestId }) },
  };
}
