/** The verbs of this slice: look at tasks, events and the audit trail, cancel a task, follow the changes. */
import * as z from 'zod';
import { type Actor, read, stream, write } from '../core/operation.ts';
import { Problem, type ProblemJson } from '../core/problem.ts';
import type { Core } from '../core/services.ts';
import type { TaskRow } from '../core/task-rows.ts';
import { streamChanges } from './changes.ts';
import { listConfigChanges } from './config-history.ts';
import { lastForgotten } from './config-prune.ts';
import type { HistoryServices } from './history-operations.ts';
import { listAudit, listEvents, listTasks, maySee } from './lists.ts';
import { createReader } from './reader.ts';
import { AuditListInput, AuditPage, ChangesInput, ConfigListInput, ConfigPage, EventListInput, EventPage, TaskListInput, TaskOutput, TaskPage } from './schema.ts';

function showTask({ tasks }: Core, row: TaskRow): z.input<typeof TaskOutput> {
  const { id, kind, state, progress, message, marker, about, actor, createdAt, startedAt, endedAt } = row;
  const isActive = endedAt === null;
  const definition = tasks.definitions().find((each) => each.kind === kind);
  return {
    id, kind, state, progress, message, marker, about, actor, createdAt, startedAt, endedAt,
    steps: row.stepNames,
    step: (isActive && row.stepNames[Math.max(0, marker)]) || null,
    problem: row.problem as ProblemJson | null, // written by the task engine
    canCancel: isActive && state !== 'unwinding' && !row.isCancelRequested && (definition?.canCancel ?? false),
  };
}

function requireTask(services: Core, actor: Actor, id: string, permission: 'task.read' | 'task.cancel'): TaskRow {
  const row = services.tasks.get(id);
  if (!row || !maySee(services.database.sql, actor, { kind: 'task', id }, permission)) throw new Problem('not-found', 'There is no such task. It may have been removed with the history.');
  return row;
}

export const taskList = read<Core>()({
  id: 'task.list', method: 'GET', path: '/tasks', permission: 'task.read', scope: 'each',
  summary: 'List tasks, the newest first',
  input: TaskListInput, output: TaskPage,
  run(services, { actor }, input) {
    const { items, next } = listTasks(services.database.sql, actor, input);
    return { items: items.map((row) => showTask(services, row)), next };
  },
});

export const taskGet = read<Core>()({
  id: 'task.get', method: 'GET', path: '/tasks/{task}', permission: 'task.read', scope: 'each',
  summary: 'Show a task with its progress or its cause of failure',
  input: z.object({ task: z.uuid() }), output: TaskOutput,
  run: (services, { actor }, { task }) => showTask(services, requireTask(services, actor, task, 'task.read')),
});

export const taskCancel = write<Core>()({
  id: 'task.cancel', method: 'POST', path: '/tasks/{task}/cancel', permission: 'task.cancel', scope: 'each', status: 200,
  summary: 'Stop a task and undo what it has done',
  input: z.object({ task: z.uuid() }), output: TaskOutput,
  run(services, tx, { task }) {
    const { actor } = tx.call;
    requireTask(services, actor, task, 'task.cancel');
    services.tasks.cancel(tx, task);
    return showTask(services, requireTask(services, actor, task, 'task.cancel'));
  },
});

export const eventList = read<Core>()({
  id: 'event.list', method: 'GET', path: '/events', permission: 'event.read', scope: 'each',
  summary: 'List what happened, the latest first',
  input: EventListInput, output: EventPage,
  run: ({ database }, { actor }, input) => listEvents(database.sql, actor, input),
});

export const auditList = read<Core>()({
  id: 'audit.list', method: 'GET', path: '/audit', permission: 'audit.read',
  summary: 'List who did what, from where, and how it ended',
  input: AuditListInput, output: AuditPage,
  run: ({ database }, _call, input) => listAudit(database.sql, input),
});

export const configList = read<Core & HistoryServices>()({
  id: 'config.list', method: 'GET', path: '/config-changes', permission: 'audit.read',
  summary: 'List who changed which setting, from what to what',
  input: ConfigListInput, output: ConfigPage,
  run: ({ database, clock, history }, _call, input) => listConfigChanges(database.sql, input, lastForgotten(database.sql, clock.now(), history.wanted())),
});

export const changesFollow = stream<Core>()({
  id: 'changes.follow', method: 'GET', path: '/changes', permission: 'signed-in',
  summary: 'Follow the changes of everything as server-sent events',
  input: ChangesInput, responseType: 'text/event-stream',
  run({ journal, clock, database }, call, { since }, request) {
    const lastSeen = /^\d{1,15}$/.exec(request.headers.get('last-event-id') ?? '')?.[0];
    const body = streamChanges({ journal, clock }, createReader(database.sql, call, lastSeen === undefined ? since : Number(lastSeen)));
    return new Response(body, { headers: { 'content-type': 'text/event-stream', 'cache-control': 'no-store' } });
  },
});

export const activityOperations = [taskList, taskGet, taskCancel, eventList, auditList, changesFollow];
