/** `bothy update ...` and `bothy health-gate`: versions from the command line, and what decides over one on trial at start. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import type * as z from 'zod';
import { readConfig } from '../config.ts';
import { systemClock } from '../core/clock.ts';
import { runGate } from '../update/gate.ts';
import type { GateOutput, UpdateOutput, UpdatePolicyOutput } from '../update/schema.ts';
import { createSlots } from '../update/slots.ts';
import { stagingFolder } from '../update/record.ts';
import { compareVersions } from '../update/versions.ts';
import { call, print, Refusal, sendFile } from './local-call.ts';

interface Task {
  id: string;
  state: string;
  step: string | null;
  progress: number;
  problem: { detail: string } | null;
}

export async function updateCommand([verb, ...args]: string[], usage: string): Promise<void> {
  if (verb === 'status') await showStatus();
  else if (verb === 'install') await install(args);
  else if (verb === 'switch') await restartInto('switch', args);
  else if (verb === 'rollback') await restartInto('rollback', args);
  else throw new Refusal(`bothy update: there is no command "${verb ?? ''}".\n\n${usage}`);
}

const words = { running: 'runs', installed: 'installed, can be switched to', trying: 'starts next', spare: 'came up well before', bad: 'did not come up' };

async function showStatus(): Promise<void> {
  const { body } = await call<z.output<typeof UpdateOutput>>('GET', '/api/v1/update');
  if (!body.isSupported) print(`${body.reason}\n`);
  for (const { version, state } of body.slots) print(`${version}\t${words[state]}\n`);
  for (const { version, source, file, fault } of body.onSticks) print(`${version ?? file}\ton ${source}${fault ? `: ${fault}` : ', can be installed'}\n`);
  await showPolicy();
  if (body.isOnTrial) print(`Version ${body.running} is proving itself.${body.missing.length > 0 ? ` It still lacks:\n${body.missing.map((line) => `  ${line}\n`).join('')}` : '\n'}`);
  if (body.last && body.last.result !== 'pending') print(`Last switch: from ${body.last.from} to ${body.last.to}, ${body.last.result === 'committed' ? 'came up well' : 'failed'}.\n${body.last.reasons.map((line) => `  ${line}\n`).join('')}`);
}

async function showPolicy(): Promise<void> {
  const { body: { source, found, waitsFor } } = await call<z.output<typeof UpdatePolicyOutput>>('GET', '/api/v1/update/policy');
  if (source === null || !found) return;
  print(`${found.version ?? '?'}\tat ${source}${found.fault === null ? ', can be installed' : `: ${found.fault}`}\n`);
  if (waitsFor !== null) print(`${waitsFor}\n`);
}

async function install(args: string[]): Promise<void> {
  const { values, positionals } = parseArgs({ args, allowPositionals: true, options: { 'allow-older': { type: 'boolean', default: false } } });
  const [source] = positionals;
  const allowOlder = values['allow-older'];
  if (!source) return installFromStick(allowOlder);
  if (/^https?:\/\//.test(source)) {
    const { body } = await call<{ id: string }>('POST', '/api/v1/update/install', { url: source, allowOlder });
    return follow(body.id);
  }
  if (!existsSync(source)) throw new Refusal(`There is no file ${source}.`);
  const { body } = await sendFile(`/api/v1/update/bundle?allowOlder=${allowOlder}`, resolve(source));
  await follow((body as { id: string }).id); // a task, by the operation's answer
}

/** The newest that fits. */
async function installFromStick(allowOlder: boolean): Promise<void> {
  const { body: { onSticks } } = await call<z.output<typeof UpdateOutput>>('GET', '/api/v1/update');
  const ours = onSticks.flatMap(({ version, fault, source }) => (version === null ? [] : [{ version, fault, source }]));
  const [newest] = ours.filter(({ fault }) => fault === null || allowOlder).sort((a, b) => compareVersions(b.version, a.version));
  if (!newest) throw new Refusal(onSticks[0]?.fault ?? 'No plugged in stick holds an update. Say what to install: bothy update install FILE, or an address.');
  print(`Version ${newest.version} from ${newest.source}\n`);
  const { body } = await call<{ id: string }>('POST', '/api/v1/update/install-from-stick', { version: newest.version, allowOlder });
  return follow(body.id);
}

async function restartInto(verb: 'switch' | 'rollback', args: string[]): Promise<void> {
  const { values } = parseArgs({ args, options: { retry: { type: 'boolean', default: false }, 'accept-loss': { type: 'boolean', default: false } } });
  const input = verb === 'switch' ? { retry: values.retry } : { acceptLoss: values['accept-loss'] };
  const { body } = await call<{ id: string }>('POST', `/api/v1/update/${verb}`, input);
  print(`The virtual machines shut down, then the host restarts. Task ${body.id}.\n`);
}

async function follow(id: string): Promise<void> {
  for (let shown = ''; ; await systemClock.sleep(500)) {
    const { body: task } = await call<Task>('GET', `/api/v1/tasks/${id}`);
    if (task.step && task.step !== shown) print(`${task.step}\n`);
    shown = task.step ?? shown;
    if (task.state === 'done') return print('Done.\n');
    if (['failed', 'cancelled'].includes(task.state)) throw new Refusal(task.problem?.detail ?? `It was ${task.state}.`);
  }
}

/** Exit code 1 makes systemd restart the host (bothy-health.service), into the version before. */
export async function healthGate(): Promise<number> {
  const { statePath } = readConfig(process.env);
  const seconds = Number(process.env['BOTHY_GATE_SECONDS'] ?? '600');
  return runGate({
    statePath, clock: systemClock, slots: createSlots({ stagingPath: stagingFolder(statePath) }), limitMs: seconds * 1_000, elapsed: () => performance.now(), say: (line) => print(`${line}\n`),
    ask: async () => (await call<z.output<typeof GateOutput>>('GET', '/api/v1/update/gate')).body,
  });
}
