/** `bothy status`, `shutdown` and `reboot`. */
import { parseArgs } from 'node:util';
import type * as z from 'zod';
import type * as activity from '../activity/schema.ts';
import { systemClock } from '../core/clock.ts';
import type * as host from '../host/schema.ts';
import { call, print, Refusal } from './local-call.ts';

type Status = z.output<typeof host.HostStatusOutput>;
type Task = z.output<typeof activity.TaskOutput>;

/** For scripts: 0 all is well, 1 it works but somebody should look, 2 something does not work or the service does not answer. */
const exitCodes: Record<Status['state'], number> = { well: 0, attention: 1, trouble: 2 };
const stateWords: Record<Status['state'], string> = { well: 'All is well.', attention: 'It works, but something needs attention.', trouble: 'Something does not work.' };

export async function showStatus(args: string[]): Promise<void> {
  const { values } = parseArgs({ args, options: { json: { type: 'boolean', default: false } } });
  try {
    const { body } = await call<Status>('GET', '/api/v1/hosts/this/status');
    print(values.json ? `${JSON.stringify(body, null, 2)}\n` : statusText(body));
    process.exitCode = exitCodes[body.state];
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 2;
  }
}

export function statusText({ name, state, troubles, versions, urls, fingerprint, ports, leaving, watchdog, lastEnd }: Status): string {
  const facts: [string, string[]][] = [
    ['Open in a browser', urls],
    ['Certificate SHA-256', fingerprint === null ? [] : [fingerprint]],
    ['Addresses', ports.flatMap(({ name: port, isUp, addresses }) => (addresses.length > 0 ? addresses.map(({ address, isLinkLocal }) => `${port} ${address}${isLinkLocal ? ' (link-local)' : ''}`) : [`${port} ${isUp ? 'no address' : 'no link'}`]))],
    ['Watchdog', [watchdogText(watchdog)]], ['Went down', lastEnd ? [`${new Date(lastEnd.at).toISOString().slice(0, 16).replace('T', ' ')} UTC: ${lastEnd.message}`] : []],
    ['Bothy', [versions.bothy]], ['System', [versions.os]], ['Kernel', [versions.kernel]], ['libvirt', [versions.libvirt || 'not connected']], ['QEMU', [versions.qemu || 'unknown']],
  ];
  const lines = facts.flatMap(([label, values]) => values.map((value, index) => `${(index === 0 ? label : '').padEnd(22)}${value}`));
  const told = troubles.flatMap(({ severity, message, nextStep }) => [`  ${severity}: ${message}`, ...(nextStep ? [`    ${nextStep}`] : [])]);
  return [`${name}: ${stateWords[state]}`, ...told, ...(leaving ? ['  It is being shut down or restarted.'] : []), '', ...lines, ''].join('\n');
}

const kinds: Record<Status['watchdog']['kind'], string> = { hardware: 'of this machine', software: 'of the kernel (softdog)', none: 'none' };

function watchdogText({ state, kind, model, reason, resetAfterSeconds }: Status['watchdog']): string {
  const device = kind === 'hardware' && model !== '' ? model : kinds[kind];
  return resetAfterSeconds === null ? `${state}, ${device}. ${reason}` : `${state}, ${device}; resets the machine within ${resetAfterSeconds} s`;
}

const lookMs = 1_000;

/** Starts the task and follows it; when the service no longer answers, the machine is on its way. */
export async function leaveHost(verb: 'shutdown' | 'reboot', args: string[]): Promise<void> {
  const { values } = parseArgs({ args, options: { deadline: { type: 'string' } } });
  const { body: { id } } = await call<{ id: string }>('POST', `/api/v1/hosts/this/${verb}`, values.deadline === undefined ? {} : { deadlineSeconds: values.deadline });
  let told = '';
  for (;;) {
    const task = await call<Task>('GET', `/api/v1/tasks/${id}`).catch(() => undefined);
    if (!task) return print('The service has stopped; the machine follows.\n');
    const { state, message, step, problem, endedAt } = task.body;
    const text = message || step || state;
    if (text !== told) print(`${text}\n`);
    told = text;
    if (state === 'done') return;
    if (endedAt !== null) throw new Refusal(problem?.detail ?? 'It was cancelled.');
    await systemClock.sleep(lookMs);
  }
}
