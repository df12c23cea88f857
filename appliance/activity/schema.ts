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
  search: z.string().trim().min(1).max(128).optional().meta({ label: 'Search', help: 'Words in the message, the next step, the code or a name.' }),
  since: z.coerce.number().int().min(0).optional().meta({ label: 'Since', help: 'Noticed last at this time or later; milliseconds since the epoch.' }),
  until: z.coerce.number().int().min(0).optional().meta({ label: 'Until', help: 'Noticed last before this time.' }),
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

// ---------------------------------------------------------------------------------------------- history

const whole = (least: number, most: number) => z.coerce.number().int().min(least).max(most);

/** How long each step of the samples is kept, and events and audit trail. */
const historyFields = {
  slotHours: whole(2, 48).meta({ label: 'Every ten seconds', unit: 'h', help: 'How long samples of each ten seconds are kept.' }),
  minuteDays: whole(1, 60).meta({ label: 'Every minute', unit: 'd', help: 'How long averages of each minute are kept.' }),
  hourDays: whole(7, 730).meta({ label: 'Every hour', unit: 'd', help: 'How long averages of each hour are kept.' }),
  dayYears: whole(1, 20).meta({ label: 'Every day', unit: 'a', help: 'How many years averages of each day are kept.' }),
  eventDays: whole(1, 3650).meta({ label: 'Events', unit: 'd', help: 'How long events are kept. A trouble that lasts is kept as long as it lasts.' }),
  mostEvents: whole(1_000, 100_000).meta({ label: 'Most events', help: 'Beyond that many the oldest go.' }),
  auditDays: whole(30, 3650).meta({ label: 'Audit trail', unit: 'd', help: 'How long it is kept who did what; 100,000 entries at most.' }),
  configDays: whole(30, 3650).meta({ label: 'Changes of the configuration', unit: 'd', help: 'How long it is kept what was changed from what to what.' }),
  mostConfigChanges: whole(1_000, 100_000).meta({ label: 'Most changes of the configuration', help: 'Beyond that many the oldest go. A change of a VM takes about 1.5 KiB of the database.' }),
};

export const HistorySettings = z.object(historyFields);
export const historyDefaults: z.output<typeof HistorySettings> = { slotHours: 2, minuteDays: 2, hourDays: 60, dayYears: 5, eventDays: 180, mostEvents: 10_000, auditDays: 365, configDays: 730, mostConfigChanges: 20_000 };
/** Changes what is given. */
export const HistorySettingsEdit = HistorySettings.partial();

export const HistoryOutput = HistorySettings.extend({
  /** What the samples occupy on the disk, how many things have any, and since when; null before the first. */
  bytes: z.number().int(),
  series: z.number().int(),
  since: z.number().int().nullable(),
  generation: z.number().int(),
});

/** Of samples of one thing over a time. */
export const samplesInput = {
  from: z.coerce.number().int().min(0).optional().meta({ label: 'From', help: 'Milliseconds since the epoch; two hours ago unless told.' }),
  to: z.coerce.number().int().min(0).optional().meta({ label: 'To', help: 'Milliseconds since the epoch; now unless told.' }),
  points: z.coerce.number().int().min(10).max(2_000).default(360).meta({ label: 'Points', help: 'Most steps in the answer.' }),
};

/** Each quantity's average under its name and its highest value as `<name>Peak`; null where nothing is known. */
export const samplesOutput = (names: string[]) => z.object({
  stepSeconds: z.number(),
  from: z.number().int(),
  to: z.number().int(),
  items: z.array(z.object({ at: z.number().int(), ...Object.fromEntries(names.flatMap((name) => [[name, z.number().nullable()], [`${name}Peak`, z.number().nullable()]])) }).catchall(z.number().nullable())),
});

// ---------------------------------------------------------------------------------------------- configuration

export const ConfigListInput = z.object({
  kind: z.string().max(64).optional().meta({ label: 'Kind' }),
  object: z.string().max(255).optional().meta({ label: 'Object', help: 'Id or name of what was changed.' }),
  actor: z.string().max(128).optional().meta({ label: 'Who' }),
  limit,
  after: z.string().regex(/^\d{1,15}$/, 'Send the value of "next".').optional().meta({ label: 'After', help: 'Value of `next` in the answer before.' }),
});
export const ConfigPage = pageOf(z.object({
  /** Number of the entry in the journal: changes of one transaction share it. */
  seq: z.number().int(),
  at: z.number().int(),
  actor: z.string(),
  operation: z.string(),
  kind: z.string(),
  id: z.string(),
  name: z.string(),
  what: z.enum(['created', 'updated', 'deleted']),
  /** `field` names it whole, such as `disks[web-disk1].settings.cache`; `path` is the same in pieces. */
  fields: z.array(z.object({ field: z.string(), path: z.array(z.string()), before: z.unknown(), after: z.unknown(), isSecret: z.boolean() })),
})).extend({
  /** What can be asked for: the kinds of things and who has changed any, of all that is kept. */
  kinds: z.array(z.string()),
  actors: z.array(z.string()),
});
