/** `bothy site ...`: the site file from the command line. What needs no service (check, hash, seal with a given key) runs without one. */
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import type * as z from 'zod';
import { hashPassword } from '../auth/password.ts';
import { passwordFault } from '../auth/rules.ts';
import { systemClock } from '../core/clock.ts';
import { checkSite } from '../provision/check.ts';
import { seal } from '../provision/sealed.ts';
import type { PlanOutput, SiteOutput } from '../provision/schema.ts';
import { call, callText, print, Refusal } from './local-call.ts';

export async function siteCommand([verb, ...args]: string[], usage: string): Promise<void> {
  if (verb === 'check') checkFile(args);
  else if (verb === 'plan') await showPlan(args);
  else if (verb === 'apply') await applyFile(args);
  else if (verb === 'export') await exportFile(args);
  else if (verb === 'status') await showStanding();
  else if (verb === 'key') print(`${(await call<z.output<typeof SiteOutput>>('GET', '/api/v1/site')).body.sealingKey}\n`);
  else if (verb === 'hash-password') print(`${await hashPassword(await readGoodPassword())}\n`);
  else if (verb === 'seal') await sealSecret(args);
  else throw new Refusal(`bothy site: there is no command "${verb ?? ''}".\n\n${usage}`);
}

/** The text of the file, `-` for standard input. */
function readText(args: string[]): { file: string; text: string } {
  const { positionals: [file, ...more] } = parseArgs({ args, allowPositionals: true, options: {} });
  if (!file || more.length > 0) throw new Refusal('Name one site file, or - for standard input.');
  try {
    return { file, text: new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(file === '-' ? 0 : file)) };
  } catch (error) {
    throw new Refusal(error instanceof TypeError ? `${file} is not UTF-8 text.` : `${file} cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function checkFile(args: string[]): void {
  const { file } = readGood(args);
  print(`${file} is right.\n`);
}

/** Refuses a wrong file with every mistake before anything is asked of the service. */
function readGood(args: string[]): { file: string; text: string } {
  const { file, text } = readText(args);
  const { faults } = checkSite(text);
  if (faults.length > 0) throw new Refusal([...faults.map(({ line, column, path, message }) => `${file}:${line}:${column}: ${path ? `${path}: ` : ''}${message}`), `${faults.length === 1 ? 'One thing needs' : `${faults.length} things need`} to be corrected.`].join('\n'));
  return { file, text };
}

/** With a file, that one; without, what the appliance has: how it has drifted, or what the file that waits would do. */
function bodyOf(args: string[]): { text?: string } {
  if (args.length === 0) return {};
  return { text: readGood(args).text };
}

async function showPlan(args: string[]): Promise<void> {
  const { steps, isConverged } = (await call<z.output<typeof PlanOutput>>('POST', '/api/v1/site/plan', bodyOf(args))).body;
  for (const { section, verb, name, details } of steps) print(`${verb}\t${section}\t${name}${details.length > 0 ? `\t${details.join('; ')}` : ''}\n`);
  print(isConverged ? 'Nothing is to be done.\n' : `${steps.length === 1 ? 'One step' : `${steps.length} steps`}.\n`);
}

interface Task {
  state: string;
  step: string | null;
  message: string;
  problem: { detail: string } | null;
}

async function applyFile(args: string[]): Promise<void> {
  const { id } = (await call<{ id: string }>('POST', '/api/v1/site/apply', bodyOf(args))).body;
  for (let shown = ''; ; await systemClock.sleep(500)) {
    const { state, step, message, problem } = (await call<Task>('GET', `/api/v1/tasks/${id}`)).body;
    const line = step === null ? '' : [step, message].filter(Boolean).join(': ');
    if (line && line !== shown) print(`${line}\n`);
    shown = line;
    if (state === 'done') return print('The site file is applied.\n');
    if (state === 'failed' || state === 'cancelled') throw new Refusal(problem?.detail ?? `The task was ${state}.`);
  }
}

async function exportFile(args: string[]): Promise<void> {
  const { values: { secrets = false } } = parseArgs({ args, options: { secrets: { type: 'boolean' } } });
  print(await callText(`/api/v1/site/export?secrets=${secrets}`));
}

async function showStanding(): Promise<void> {
  const { current, found } = (await call<z.output<typeof SiteOutput>>('GET', '/api/v1/site')).body;
  print(current ? `${current.state}: ${current.source}\n` : 'No site file was applied yet.\n');
  if (!found) return;
  print(found.state === 'waiting' ? `waiting: ${found.source}. "bothy site plan" shows what it would do, "bothy site apply" does it.\n` : `wrong: ${found.source}\n`);
  for (const { line, column, path, message } of found.faults) print(`  ${line}:${column}: ${path ? `${path}: ` : ''}${message}\n`);
}

async function readGoodPassword(): Promise<string> {
  const password = await readSecret('Password: ');
  const fault = passwordFault(password);
  if (fault) throw new Refusal(fault);
  return password;
}

async function sealSecret(args: string[]): Promise<void> {
  const { values: { key } } = parseArgs({ args, options: { key: { type: 'string' } } });
  if (!key) throw new Refusal('Give the public key of the machine: bothy site seal --key KEY');
  const secret = process.stdin.isTTY ? await readSecret('Secret: ') : readFileSync(0, 'utf8').replace(/\r?\n$/, ''); // the key of a certificate has many lines
  try {
    print(`${seal(key, secret)}\n`);
  } catch {
    throw new Refusal('This is not the sealing key of a machine. "bothy site key" prints it there.');
  }
}

/** One line from standard input; at a terminal it is not shown. Never an argument: those are seen by everybody on the machine. */
async function readSecret(prompt: string): Promise<string> {
  const { stdin, stderr } = process;
  const lines = createInterface({ input: stdin, ...(stdin.isTTY && { output: stderr, terminal: true }) });
  if (stdin.isTTY) {
    stderr.write(prompt);
    (lines as unknown as { _writeToOutput(text: string): void })._writeToOutput = () => {}; // readline has no other way to hide what is typed
  }
  try {
    for await (const line of lines) return line;
    return '';
  } finally {
    lines.close();
    if (stdin.isTTY) stderr.write('\n');
  }
}
