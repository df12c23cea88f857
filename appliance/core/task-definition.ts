/** What a task is made of (`task.ts` drives it): its steps, what they get, and what is told of it. */
import type * as z from 'zod';
import type { Origin, Tx } from './db.ts';
import type { Lock } from './locks.ts';
import type { ProblemJson } from './problem.ts';

export interface StepContext<I, M> {
  taskId: string;
  input: I;
  memory: Partial<M>;
  /** Aborts when the task is cancelled, the step's time is up, or the service stops. */
  signal: AbortSignal;
  /** 0 to 1 within this step, and what is being done. */
  progress(fraction: number, message?: string): void;
  origin: Origin;
}

export interface Step<I, M> {
  /** Imperative, as people read it: `Convert the image`. */
  name: string;
  /** Default 5 minutes. */
  timeoutMs?: number;
  do(context: StepContext<I, M>): Promise<Partial<M> | undefined | void>;
  undo?(context: StepContext<I, M>): Promise<void>;
}

export interface Outcome<I, M> {
  state: 'done' | 'failed' | 'cancelled';
  input: I;
  memory: Partial<M>;
  problem: ProblemJson | undefined;
}

export interface TaskDefinition<I = unknown, M = Record<string, unknown>> {
  kind: string;
  input: z.ZodType<I>;
  /** False where stopping half-way helps nobody. */
  canCancel: boolean;
  locks(input: I): Lock[];
  /** What stays of the input in the row when the task has ended, where it holds what nobody is to read later; all of it unless told. */
  remains?(input: I): I;
  steps: Step<I, M>[];
  finished?(tx: Tx, outcome: Outcome<I, M>): void;
}

/** Checks a definition's types against each other; changes nothing. */
export function defineTask<I, M = Record<string, never>>(definition: TaskDefinition<I, M>): AnyTask {
  return definition as unknown as AnyTask; // the engine parses the input before it calls a step
}
// biome-ignore lint/suspicious/noExplicitAny: the engine runs definitions of many types; each parses its own input
export type AnyTask = TaskDefinition<any, any>;

/** What a task is about, for lists and for people. */
export interface About {
  kind: string;
  id: string;
  name: string;
}

/** Told at each instant at which a power cut would matter; a test that never resolves it is that power cut. */
export interface TaskProbe {
  at(point: { task: string; kind: string; step: string; when: 'before' | 'done' | 'marked' | 'undone' }): Promise<void>;
}
