/**
 * `bothy`: the command line. It talks to the running service over its local socket, which only root can open, so it needs
 * no password; `serve` is the service itself.
 */
import { request } from 'node:http';
import { parseArgs } from 'node:util';
import { localSocketPath, readConfig } from './config.ts';
import type { ProblemJson } from './core/problem.ts';

const usage = `Usage: bothy COMMAND

  serve                       run the service
  status                      show whether all is well
  setup-code                  print the code for setting the first password
  token create --name NAME [--permissions A,B]
                              create an API token and print it
  token list                  list API tokens

Settings are environment variables: BOTHY_STATE, BOTHY_LISTEN, BOTHY_LIBVIRT, BOTHY_ACCEL.
`;

/** Ends the command with a message and exit code 1. */
class Refusal extends Error {}

async function main(argv: string[]): Promise<void> {
  const [command, verb, ...rest] = argv;
  if (command === 'serve') {
    await import('./main.ts');
  } else if (command === 'status') await showStatus();
  else if (command === 'setup-code') await showSetupCode();
  else if (command === 'token' && verb === 'create') await createToken(rest);
  else if (command === 'token' && verb === 'list') await listTokens();
  else if (command === undefined || command === 'help' || command === '--help') print(usage);
  else throw new Refusal(`bothy: there is no command "${argv.join(' ')}".\n\n${usage}`);
}

async function showStatus(): Promise<void> {
  const { status, body } = await call('GET', '/healthz');
  print(`${JSON.stringify(body, null, 2)}\n`);
  if (status !== 200) throw new Refusal('The appliance needs attention.');
}

async function showSetupCode(): Promise<void> {
  const { body } = await call<{ code: string | null }>('GET', '/api/v1/setup-code');
  if (body.code === null) throw new Refusal('This appliance is already set up: sign in with the password.');
  print(`${body.code}\n`);
}

async function createToken(args: string[]): Promise<void> {
  const { values } = parseArgs({ args, options: { name: { type: 'string' }, permissions: { type: 'string' } } });
  if (!values.name) throw new Refusal('Give the token a name: bothy token create --name NAME');
  const permissions = values.permissions?.split(',').map((permission) => permission.trim());
  const { body } = await call<{ token: string }>('POST', '/api/v1/tokens', { name: values.name, ...(permissions && { permissions }) });
  print(`${body.token}\n`);
}

async function listTokens(): Promise<void> {
  const { body } = await call<{ items: { name: string; user: string; createdAt: number }[] }>('GET', '/api/v1/tokens');
  for (const token of body.items) print(`${token.name}\t${token.user}\t${new Date(token.createdAt).toISOString()}\n`);
}

interface Reply<T> {
  status: number;
  body: T;
}

/** One request over the local socket. A problem becomes a `Refusal` with its text. */
async function call<T>(method: string, path: string, input?: unknown): Promise<Reply<T>> {
  const socketPath = localSocketPath(readConfig(process.env).statePath);
  const { status, text } = await exchange({ socketPath, method, path, body: input === undefined ? '' : JSON.stringify(input) });
  const body = text === '' ? null : JSON.parse(text);
  if (status >= 400 && path !== '/healthz') {
    const problem = body as ProblemJson; // every error of the API is a problem
    throw new Refusal([problem.detail, ...(problem.errors ?? []).map((error) => `  ${error.path}: ${error.message}`)].join('\n'));
  }
  return { status, body: body as T }; // the caller names the answer of its own request
}

function exchange({ socketPath, method, path, body }: { socketPath: string; method: string; path: string; body: string }): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ socketPath, method, path, headers: body ? { 'content-type': 'application/json' } : {} }, (incoming) => {
      const chunks: Buffer[] = [];
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
      incoming.on('end', () => resolve({ status: incoming.statusCode ?? 0, text: Buffer.concat(chunks).toString('utf8') }));
      incoming.on('error', reject);
    });
    outgoing.on('error', (error: NodeJS.ErrnoException) => reject(new Refusal(explain(error, socketPath))));
    outgoing.end(body);
  });
}

function explain(error: NodeJS.ErrnoException, socketPath: string): string {
  if (error.code === 'EACCES') return 'Only root may use this command. Try it with sudo.';
  if (error.code === 'ENOENT' || error.code === 'ECONNREFUSED') return `The service does not answer at ${socketPath}. Is it running? Start it with "npm start" or "bothy serve", and check BOTHY_STATE.`;
  return `${error.message}`;
}

function print(text: string): void {
  process.stdout.write(text);
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`${error instanceof Refusal ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
