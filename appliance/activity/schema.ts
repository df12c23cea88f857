/** What goes in and out of the verbs of this slice. Times are milliseconds since the epoch. */
import * as z from 'zod';
import { problemTypes } from '../core/problem.ts';

const limit = z.coerce.number().int().min(1).max(200).default(50).meta({ label: 'Limit', help: 'Entries in one answer.' });
const about = z.string().min(1).max(64).optional().meta({ label: 'About', help: 'Id or name of a VM, disk or other thing.' });
const cursor = z.string().max(64).optional().meta({ label: 'After', help: 'Value of `next` in the answer before.' });
const pageOf = <T extends z.ZodType>(item: T) => z.object({ items: z.array(item), next: z.string().nullable() });

export const About = z.object({ kind: z.string(), id: z.string(), name: z.string() });

export const ShownProblem = z.object({
  type: z.enum(problemTypes),
  title: z.string(),
  status: z.number().int(),
  detail: z.string(),
  requestId: z.string().optional(),
  errors: z.array(z.object({ path: z.string(), message: z.string() })).optional(),
  retryAfterSeconds: z.number().optional(),
});

export const TaskOutput = z.object({
  id: z.uuid(),
  /** Stable, for programs: `vm.start`. */
  kind: z.string(),
  state: z.enum(['pending', 'running', 'unwinding', 'done', 'failed', 'cancelled']),
  /** 0 to 1 over all steps. */
  progress: z.number().min(0).max(1),
  /** Name of the step at work; null when the task has ended. */
  step: z.string().nullable(),
  /** What the step says of itself. */
  message: z.string(),
  steps: z.array(z.string()),
  /** Index of the step at work. */
  marker: z.number().int(),
  /** Why it failed or was cancelled. */
  problem: ShownProblem.nullable(),
  about: z.array(About),
  actor: z.string(),
  createdAt: z.number().int(),
  startedAt: z.number().int().nullable(),
  endedAt: z.number().int().nullable(),
  canCancel: z.boolean(),
});

export const TaskListInput = z.object({
  state: z.enum(['active', 'ended', 'done', 'failed', 'cancelled']).optional().meta({ label: 'State' }),
  about, limit, after: cursor,
});
export const TaskPage = pageOf(TaskOutput);

export const severities = ['info', 'warning', 'error'] as const;

export const EventOutput = z.object({
  id: z.number().int(),
  at: z.number().int(),
  /** When it was last noticed, and how often. */
  lastAt: z.number().int(),
  count: z.number().int(),
  severity: z.enum(severities),
  code: z.string(),
  message: z.string(),
  nextStep: z.string().nullable(),
  about: z.array(About),
  /** A trouble that lasts still. */
  isStanding: z.boolean(),
  endedAt: z.number().int().nullable(),
});

export const EventListInput = z.object({
  severity: z.enum(severities).optional().meta({ label: 'Severity' }),
  /** Only troubles that last still. */
  standing: z.stringbool().optional().meta({ label: 'Lasting' }),
  about, limit, after: cursor,
});
export const EventPage = pageOf(EventOutput);

export const AuditOutput = z.object({
  id: z.number().int(),
  at: z.number().int(),
  actor: z.string(),
  from: z.string(),
  operation: z.string(),
  subject: z.record(z.string(), z.string()),
  outcome: z.string(),
  requestId: z.string(),
  count: z.number().int(),
});

export const AuditListInput = z.object({
  actor: z.string().max(128).optional().meta({ label: 'Who' }),
  operation: z.string().max(64).optional().meta({ label: 'What' }),
  outcome: z.enum(['ok', 'refused']).optional().meta({ label: 'Outcome' }),
  limit, after: cursor,
});
export const AuditPage = pageOf(AuditOutput);

export const ChangesInput = z.object({
  since: z.coerce.number().int().min(0).optional().meta({ label: 'Since', help: 'Number of the last change seen. The header Last-Event-ID goes before it.' }),
});
