/**
 * `bothy`: the command line. It talks to the running service over its local socket, which only root can open, so it needs
 * no password; `serve` is the service itself.
 */
import { parseArgs } from 'node:util';
import { destinationCommand } from './cli/destination-commands.ts';
import { leaveHost, showStatus } from './cli/host-commands.ts';
import { call, print, Refusal } from './cli/local-call.ts';
import { siteCommand } from './cli/site-commands.ts';
import { healthGate, updateCommand } from './cli/update-commands.ts';
import { userCommand } from './cli/user-commands.ts';

const usage = `Usage: bothy COMMAND

  serve                       run the service
  status [--json]             show whether all is well, the addresses and versions; ends with 0 when all is well, 1 when something
                              needs attention, 2 when something does not work or the service does not answer
  shutdown [--deadline SECONDS]
                              shut this machine down, its VMs first; one that has not shut down in time (300 s) is powered off
  reboot [--deadline SECONDS] the same, and start again
  console                     the screen of the box on this terminal
  setup-code                  print the code for setting the first password
  token create --name NAME [--permissions A,B]
                              create an API token and print it
  token list                  list API tokens
  user list                   list users and whether they are locked
  user unlock NAME            let a user sign in again who was locked after wrong passwords
  user remove-totp NAME       let a user who has lost the phone sign in without a code
  destination list            list where events are sent, and how that goes
  destination test NAME       send a test there now, and tell what fails
  site check FILE             tell what is wrong with a site file; needs no service
  site plan [FILE]            show what a site file would change; without FILE, how this appliance has drifted
  site apply [FILE]           apply it and wait
  site export [--secrets]     print this appliance as a site file
  site status                 show which site file is applied, and one that was found
  site key                    print the key for sealing secrets to this machine
  site hash-password          read a password and print its hash for a site file
  site seal --key KEY         read a secret and print it sealed to the machine with that key
  update status               show the installed versions and how the last switch ended
  update install [FILE|URL] [--allow-older]
                              install an update beside the version that runs; without a name, the newest on a stick
  update switch [--retry]     restart into the installed version; returns by itself if it does not come up well
  update rollback [--accept-loss]
                              restart into the version before
  health-gate                 wait until a version on trial has come up well, or give it up (run at start)

Settings are environment variables: BOTHY_STATE, BOTHY_LISTEN, BOTHY_LIBVIRT, BOTHY_ACCEL.
`;

async function main(argv: string[]): Promise<void> {
  const [command, verb, ...rest] = argv;
  if (command === 'serve') {
    await import('./main.ts');
  } else if (command === 'status') await showStatus(argv.slice(1));
  else if (command === 'shutdown' || command === 'reboot') await leaveHost(command, argv.slice(1));
  else if (command === 'console') await (await import('./console-screen/main.ts')).startConsole(process.env, argv.slice(1));
  else if (command === 'setup-code') await showSetupCode();
  else if (command === 'token' && verb === 'create') await createToken(rest);
  else if (command === 'token' && verb === 'list') await listTokens();
  else if (command === 'user') await userCommand(argv.slice(1), usage);
  else if (command === 'destination') await destinationCommand(argv.slice(1), usage);
  else if (command === 'site') await siteCommand(argv.slice(1), usage);
  else if (command === 'update') await updateCommand(argv.slice(1), usage);
  else if (command === 'health-gate') process.exit(await healthGate()); // a question that nobody answers would hold it back
  else if (command === undefined || command === 'help' || command === '--help') print(usage);
  else throw new Refusal(`bothy: there is no command "${argv.join(' ')}".\n\n${usage}`);
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

try {
  await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`${error instanceof Refusal ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
