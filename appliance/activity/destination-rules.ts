/** Decisions about where events are sent: what a destination must say, which events it gets, when the next try is. Pure. */
import type { FieldError } from '../core/problem.ts';

export const destinationKinds = ['syslog', 'email', 'webhook'] as const;
export type DestinationKind = (typeof destinationKinds)[number];
export const eventGroups = ['vm', 'storage', 'network', 'host', 'update'] as const;
export type EventGroup = (typeof eventGroups)[number];
export const eventSeverities = ['info', 'warning', 'error'] as const;
export type Severity = (typeof eventSeverities)[number];

/** What is not secret. Only what people have said: the rest follows. */
export interface DestinationSettings {
  host?: string | undefined;
  port?: number | undefined;
  transport?: 'udp' | 'tcp' | 'tls' | undefined;
  security?: 'starttls' | 'tls' | 'none' | undefined;
  user?: string | undefined;
  from?: string | undefined;
  to?: string[] | undefined;
  gatherMinutes?: number | undefined;
  ca?: string | undefined;
}

/** Never in an answer, a log, an event, or an export without secrets. An address of a webhook often is a key. */
export interface DestinationSecrets {
  password?: string | undefined;
  url?: string | undefined;
  signingKey?: string | undefined;
  bearer?: string | undefined;
}

export const settingNames = ['host', 'port', 'transport', 'security', 'user', 'from', 'to', 'gatherMinutes', 'ca'] as const satisfies (keyof DestinationSettings)[];
export const secretNames = ['password', 'url', 'signingKey', 'bearer'] as const satisfies (keyof DestinationSecrets)[];

export interface Destination extends DestinationSettings, DestinationSecrets {
  kind: DestinationKind;
}

const fieldsOf: Record<DestinationKind, readonly (keyof Destination)[]> = {
  syslog: ['host', 'port', 'transport', 'ca'],
  email: ['host', 'port', 'security', 'user', 'password', 'from', 'to', 'gatherMinutes', 'ca'],
  webhook: ['url', 'signingKey', 'bearer', 'ca'],
};
const needed: Record<DestinationKind, readonly (keyof Destination)[]> = { syslog: ['host'], email: ['host', 'from', 'to'], webhook: [] };
const words: Record<DestinationKind, string> = { syslog: 'syslog', email: 'e-mail', webhook: 'a webhook' };

const isGiven = (value: unknown) => value !== undefined && value !== null && value !== '' && !(Array.isArray(value) && value.length === 0);

/** Why it cannot be one; empty when it can. */
export function destinationFaults(wanted: Destination): FieldError[] {
  const { kind, transport = 'tcp', security = 'starttls', ca, password, user } = wanted;
  const fields = fieldsOf[kind];
  const foreign = [...settingNames, ...secretNames].filter((name) => isGiven(wanted[name]) && !fields.includes(name))
    .map((name) => ({ path: name, message: `This does not belong to ${words[kind]}.` }));
  const missing = needed[kind].filter((name) => !isGiven(wanted[name])).map((path) => ({ path, message: `This is needed for ${words[kind]}.` }));
  const faults: FieldError[] = [];
  if (kind === 'email' && security === 'none' && isGiven(user)) faults.push({ path: 'security', message: 'A password is never sent in clear. Choose STARTTLS or TLS, or leave out the user.' });
  if (isGiven(password) && !isGiven(user)) faults.push({ path: 'user', message: 'To whom does the password belong?' });
  const isSecure = kind === 'webhook' || (kind === 'syslog' ? transport === 'tls' : security !== 'none');
  if (isGiven(ca) && !isSecure) faults.push({ path: 'ca', message: 'Without TLS no certificate is looked at.' });
  return [...foreign, ...missing, ...faults];
}

/** Secrets without which nothing can be sent, such as after an export that holds none. */
export function missingSecrets({ kind, user, password, url, signingKey }: Destination): (keyof DestinationSecrets)[] {
  if (kind === 'webhook') return [...(isGiven(url) ? [] : ['url' as const]), ...(isGiven(signingKey) ? [] : ['signingKey' as const])];
  return kind === 'email' && isGiven(user) && !isGiven(password) ? ['password'] : [];
}

const syslogPorts = { udp: 514, tcp: 514, tls: 6514 } as const;
const mailPorts = { starttls: 587, tls: 465, none: 25 } as const;

/** With what follows where nothing was said. */
export function resolved({ kind, transport = 'tcp', security = 'starttls', port, gatherMinutes = 5, ...rest }: Destination) {
  return { kind, ...rest, transport, security, gatherMinutes, port: port ?? (kind === 'syslog' ? syslogPorts[transport] : mailPorts[security]) };
}

/** Where it leads, for people, without anything secret. */
export function receiverOf(destination: Destination): string {
  const { kind, host = '', port, transport, to = [], url } = resolved(destination);
  if (kind === 'syslog') return `${host}:${port} (${transport.toUpperCase()})`;
  return kind === 'email' ? to.join(', ') : webHostOf(url);
}

const webHostOf = (url: string | undefined): string => /^https?:\/\/([^/?#]+)/.exec(url ?? '')?.[1] ?? '';

// ------------------------------------------------------------------------------------------------ which events

/** By the first word of an event's code; what is not named here is of the host. */
export const groupWords: Record<Exclude<EventGroup, 'host'>, readonly string[]> = {
  vm: ['vm', 'snapshot', 'template', 'pool'],
  storage: ['storage-domain', 'disk', 'upload', 'iso'],
  network: ['network'],
  update: ['update', 'site-file'],
};

/** That and everything worse. */
export const severitiesFrom = (least: Severity): Severity[] => eventSeverities.slice(eventSeverities.indexOf(least));

/** More wait for nobody, nor longer: after an outage the receiver is told how many were left out. */
export const mostWaiting = 1_000;
export const longestWaitMs = 7 * 86_400_000;

/** At once. E-mail takes all that wait. */
export const batchSize: Record<DestinationKind, number> = { syslog: 100, webhook: 100, email: mostWaiting };

// ------------------------------------------------------------------------------------------------ when

const pausesMs = [5_000, 15_000, 60_000, 120_000, 300_000, 600_000, 900_000];
/** Failures in a row after which people are told: a receiver that restarts is no trouble. */
export const tellAfter = 3;
/** So that a burst becomes one mail, and what waits is sent in bundles. */
const burstMs: Record<DestinationKind, number> = { syslog: 0, webhook: 200, email: 2_000 };
const betweenMs = 1_000;

export interface Pace {
  kind: DestinationKind;
  gatherMinutes: number;
  failures: number;
  lastTryAt: number | null;
  lastDeliveredAt: number | null;
  /** When the oldest event that waits was noticed. */
  oldestAt: number;
}

/** How long the next try must wait; 0: now. Never longer than a pause, whatever the clock has done meanwhile. */
export function waitMs({ kind, gatherMinutes, failures, lastTryAt, lastDeliveredAt, oldestAt }: Pace, now: number): number {
  const until = (from: number | null, pause: number) => (from === null ? 0 : Math.min(pause, Math.max(0, from + pause - now)));
  if (failures > 0) return until(lastTryAt, pausesMs[Math.min(failures, pausesMs.length) - 1] ?? 0);
  const between = kind === 'email' ? gatherMinutes * 60_000 : betweenMs;
  return Math.max(until(lastDeliveredAt, between), until(oldestAt, burstMs[kind]));
}
