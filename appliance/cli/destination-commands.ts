/** `bothy destination`: whether events reach those who should learn of them, for the person at the machine. */
import type * as z from 'zod';
import type { DestinationOutput, TestOutput } from '../activity/destination-schema.ts';
import { call, print, Refusal } from './local-call.ts';

type Destination = z.output<typeof DestinationOutput>;

export async function destinationCommand([verb, name]: string[], usage: string): Promise<void> {
  if (verb === 'list') return listDestinations();
  if (verb !== 'test') throw new Refusal(`bothy: there is no command "${['destination', ...(verb ? [verb] : [])].join(' ')}".\n\n${usage}`);
  if (!name) throw new Refusal('Name the destination: bothy destination test NAME');
  const { body } = await call<z.output<typeof TestOutput>>('POST', `/api/v1/destinations/${encodeURIComponent(name)}/test`, {});
  print(`${body.message}\n`);
}

async function listDestinations(): Promise<void> {
  const { body } = await call<{ items: Destination[] }>('GET', '/api/v1/destinations');
  for (const { name, kind, receiver, state, waiting, problem } of body.items) print(`${name}\t${kind} ${receiver}\t${state}${waiting > 0 ? `, ${waiting} waiting` : ''}${problem ? `\t${problem.message} ${problem.nextStep}` : ''}\n`);
}
