/** What the screen shows of the box: read whole after each change, since it is little. */
import type * as z from 'zod';
import type * as activity from '../activity/schema.ts';
import type * as host from '../host/schema.ts';
import type * as vm from '../vm/schema.ts';
import type { BoxApi } from './api.ts';

export type Status = z.output<typeof host.HostStatusOutput>;
export type Task = z.output<typeof activity.TaskOutput>;
export type Vm = z.output<typeof vm.VmSummary>;

export interface Box {
  status: Status;
  setupCode: string | null;
  vms: Vm[];
  /** The task that shuts the box down or restarts it. */
  leaving: Task | undefined;
}

export type Service = { state: 'up'; box: Box } | { state: 'away'; reason: string };

/** Kinds of things whose change is seen on the screen. */
export const shownKinds: ReadonlySet<string> = new Set(['host', 'event', 'vm', 'task', 'user', 'storage-domain']);

const mostVms = 200;

export async function readBox(api: BoxApi): Promise<Box> {
  const status = await api.ask<Status>('GET', '/hosts/this/status');
  const { code } = await api.ask<{ code: string | null }>('GET', '/setup-code');
  const { items } = await api.ask<{ items: Vm[] }>('GET', `/vms?limit=${mostVms}`);
  const leaving = status.leaving === null ? undefined : await api.ask<Task>('GET', `/tasks/${status.leaving}`);
  return { status, setupCode: code, vms: items, leaving };
}
