/** The verbs of destinations of events: see, make, change, delete them, and try whether one works. */
import * as z from 'zod';
import { read, write } from '../core/operation.ts';
import { Problem } from '../core/problem.ts';
import type { Clock } from '../core/clock.ts';
import { DeliveryFault } from './delivery-faults.ts';
import { destinationFaults, missingSecrets, receiverOf, resolved, secretNames, settingNames } from './destination-rules.ts';
import { DestinationCreateInput, DestinationEditInput, DestinationInput, DestinationOutput, DestinationPage, TestOutput } from './destination-schema.ts';
import { type DestinationRow, type Destinations, type DestinationWish, partsOf, wholeOf } from './destinations.ts';
import type { Forwarding } from './forwarding.ts';

export interface DestinationServices {
  destinations: Destinations;
  forwarding: Forwarding;
  clock: Clock;
}

type Shown = z.input<typeof DestinationOutput>;

function show({ destinations }: DestinationServices, row: DestinationRow): Shown {
  const whole = wholeOf(row);
  const { id, name, kind, isEnabled, severity, kinds, createdAt, generation } = row;
  const { host = null, port, transport, security, user = null, from = null, to = [], gatherMinutes, ca = null } = resolved(whole);
  const { failingSince, lastDeliveredAt, problem } = destinations.delivery(id);
  const missing = missingSecrets(whole);
  const waiting = isEnabled ? destinations.waitingCount(row) : 0;
  const state = !isEnabled ? 'off' : missing.length > 0 ? 'incomplete' : failingSince !== null ? 'failing' : waiting > 0 ? 'waiting' : 'well';
  return {
    id, name, kind, isEnabled, severity, kinds, createdAt, generation, user, from, to, ca, missing, waiting, state, problem, failingSince, lastDeliveredAt,
    host, port: kind === 'webhook' ? null : port, transport: kind === 'syslog' ? transport : null, security: kind === 'email' ? security : null, gatherMinutes: kind === 'email' ? gatherMinutes : null,
    receiver: receiverOf(whole), secrets: secretNames.filter((secret) => row.secrets[secret] !== undefined),
  };
}

function requireGood(wish: DestinationWish): void {
  const errors = destinationFaults(wholeOf(wish));
  if (errors.length > 0) throw new Problem('invalid-input', errors.map(({ message }) => message).join(' '), { errors });
}

function requireFreeName({ destinations }: DestinationServices, name: string, own?: DestinationRow): void {
  const other = destinations.find(name);
  if (other && other.id !== own?.id) throw new Problem('name-taken', `There is already a destination "${name}". Choose another name.`, { errors: [{ path: 'name', message: 'This name is taken.' }] });
}

export const destinationList = read<DestinationServices>()({
  id: 'destination.list', method: 'GET', path: '/destinations', permission: 'history.edit', summary: 'List where events are sent, and how that goes',
  input: z.object({}), output: DestinationPage,
  run: (services) => ({ items: services.destinations.all().map((row) => show(services, row)), next: null }),
});

export const destinationGet = read<DestinationServices>()({
  id: 'destination.get', method: 'GET', path: '/destinations/{destination}', permission: 'history.edit', summary: 'Show where events are sent, and how that goes',
  input: DestinationInput, output: DestinationOutput,
  run: (services, _call, { destination }) => show(services, services.destinations.require(destination)),
});

export const destinationCreate = write<DestinationServices>()({
  id: 'destination.create', method: 'POST', path: '/destinations', permission: 'history.edit', status: 201, summary: 'Send events to a syslog server, by e-mail or to a webhook',
  input: DestinationCreateInput, output: DestinationOutput,
  run(services, tx, { name, kind, isEnabled, severity, kinds, ...fields }) {
    requireFreeName(services, name);
    const wish = { name, kind, isEnabled, severity, kinds, ...partsOf(fields) };
    requireGood(wish);
    return show(services, services.destinations.insert(tx, wish));
  },
});

/** What was given, null for what is taken away, and the rest as it was. */
function merged(before: DestinationRow, { name, isEnabled, severity, kinds, ...fields }: Omit<z.output<typeof DestinationEditInput>, 'destination'>): DestinationWish {
  const given = fields as Record<string, unknown>; // looked at by name
  const kept = Object.fromEntries([...settingNames, ...secretNames].map((field) => [field, given[field] === undefined ? wholeOf(before)[field] : given[field]]));
  return { name: name ?? before.name, kind: before.kind, isEnabled: isEnabled ?? before.isEnabled, severity: severity ?? before.severity, kinds: kinds ?? before.kinds, ...partsOf(kept) };
}

export const destinationEdit = write<DestinationServices>()({
  id: 'destination.edit', method: 'PATCH', path: '/destinations/{destination}', permission: 'history.edit', status: 200, summary: 'Change where and which events are sent',
  input: DestinationEditInput, output: DestinationOutput,
  generation: ({ destinations }, { destination }) => destinations.require(destination).generation,
  run(services, tx, { destination, ...changes }) {
    const before = services.destinations.require(destination);
    const wish = merged(before, changes);
    requireFreeName(services, wish.name, before);
    requireGood(wish);
    const row = services.destinations.update(tx, before, wish);
    if (!row.isEnabled) services.forwarding.forget(tx, row.id);
    services.forwarding.nudge(tx, row.id);
    return show(services, row);
  },
});

export const destinationDelete = write<DestinationServices>()({
  id: 'destination.delete', method: 'DELETE', path: '/destinations/{destination}', permission: 'history.edit', status: 204, summary: 'Send events there no more',
  input: DestinationInput, output: z.null(),
  generation: ({ destinations }, { destination }) => destinations.require(destination).generation,
  run(services, tx, { destination }) {
    const row = services.destinations.require(destination);
    services.destinations.remove(tx, row);
    services.forwarding.forget(tx, row.id);
    return null;
  },
});

/** What goes out is no change: so it is tried before the transaction, which notes who has tried. */
export const destinationTest = write<DestinationServices>()({
  id: 'destination.test', method: 'POST', path: '/destinations/{destination}/test', permission: 'history.edit', status: 200, summary: 'Send a test there now, and tell what fails',
  input: DestinationInput, output: TestOutput,
  async prepare({ destinations, forwarding, clock }, { signal }, { destination }) {
    const row = destinations.require(destination);
    const missing = missingSecrets(wholeOf(row));
    if (missing.length > 0) throw new Problem('wrong-state', `Before anything can be sent to "${row.name}" this must be set: ${missing.join(', ')}.`);
    const startedAt = clock.now();
    try {
      await forwarding.test(row, signal);
    } catch (error) {
      if (error instanceof DeliveryFault) throw new Problem('unavailable', `${error.message} ${error.nextStep}`, { cause: error });
      throw error;
    }
    return { tookMs: clock.now() - startedAt };
  },
  run(services, tx, { destination }, { tookMs }) {
    const row = services.destinations.require(destination);
    services.forwarding.nudge(tx, row.id);
    const where = row.kind === 'email' ? row.settings.host : receiverOf(wholeOf(row));
    const isOnlySent = row.kind === 'syslog' && resolved(wholeOf(row)).transport === 'udp';
    return { message: isOnlySent ? `The test was sent to ${where}.` : `The test was taken by ${where}.`, tookMs };
  },
});

export const destinationOperations = [destinationList, destinationGet, destinationCreate, destinationEdit, destinationDelete, destinationTest];
