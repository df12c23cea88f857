/** `bothy site ...`: the site file from the command line. What needs no service (check, hash, seal with a given key) runs without one. */
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { hashPassword } from '../auth/password.ts';
import { passwordFault } from '../auth/rules.ts';
import { checkSite } from '../provision/check.ts';
import { seal } from '../provision/sealed.ts';
import { print, Refusal } from './local-call.ts';

export async function siteCommand([verb, ...args]: string[], usage: string): Promise<void> {
  if (verb === 'check') checkFile(args);
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
  const { file, text } = readText(args);
  const { faults } = checkSite(text);
  if (faults.length > 0) throw new Refusal([...faults.map(({ line, column, path, message }) => `${file}:${line}:${column}: ${path ? `${path}: ` : ''}${message}`), `${faults.length === 1 ? 'One thing needs' : `${faults.length} things need`} to be corrected.`].join('\n'));
  print(`${file} is right.\n`);
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
  const secret = await readSecret('Secret: ');
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
