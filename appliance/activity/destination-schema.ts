/** What goes in and out of the verbs of destinations of events; the site file takes the same. */
import { isIP } from 'node:net';
import * as z from 'zod';
import { nameSchema, refSchema } from '../core/id.ts';
import { destinationKinds, eventGroups, eventSeverities, secretNames } from './destination-rules.ts';

const hostPattern = /^(?=.{1,253}$)[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)*\.?$/;
const Host = z.string().trim().refine((text) => isIP(text) !== 0 || hostPattern.test(text), 'A host name or an address, without a port.');
const Address = z.string().trim().max(254).regex(/^[^\s@<>,;:"()[\]\\\p{C}]+@[^\s@<>,;:"()[\]\\\p{C}]+$/u, 'An e-mail address such as ops@example.com.');
const oneLine = (most: number) => z.string().max(most).regex(/^[^\p{Cc}]*$/u, 'One line, without control characters.');
const WebAddress = z.string().trim().max(2048).refine((text) => {
  if (!URL.canParse(text)) return false;
  const { protocol, username, password, hostname } = new URL(text);
  return ['https:', 'http:'].includes(protocol) && hostname !== '' && username === '' && password === '';
}, 'An address that begins with https:// or http://, without user and password in it.');

const settings = {
  host: Host.optional().meta({ label: 'Server', help: 'Name or address.' }),
  port: z.coerce.number().int().min(1).max(65_535).optional().meta({ label: 'Port', help: 'Without it the usual one: 514, 6514 with TLS; for e-mail 587, 465 with TLS, 25 without.' }),
  transport: z.enum(['udp', 'tcp', 'tls']).optional().meta({ label: 'Transport', help: 'With UDP nobody notices what is lost.' }),
  security: z.enum(['starttls', 'tls', 'none']).optional().meta({ label: 'Security', help: 'Without any nobody can sign in.' }),
  user: oneLine(255).optional().meta({ label: 'User', help: 'If the mail server asks who sends.' }),
  password: oneLine(512).optional().meta({ label: 'Password', widget: 'password', secret: true, help: 'Of that user, on the mail server.' }),
  from: Address.optional().meta({ label: 'From', help: 'Address that the mails come from.' }),
  to: z.array(Address).max(20).optional().meta({ label: 'To', help: 'Addresses, with commas between them.' }),
  gatherMinutes: z.coerce.number().int().min(0).max(1_440).optional().meta({ label: 'Minutes between mails', help: 'At most one mail in this time, with all that happened.' }),
  url: WebAddress.optional().meta({ label: 'Address', secret: true, help: 'Kept like a password, as such addresses often hold a key.' }),
  signingKey: oneLine(512).min(16, 'Use at least 16 characters.').optional().meta({ label: 'Signing key', widget: 'password', secret: true, help: 'With it the receiver proves that we have sent it: HMAC-SHA256.' }),
  bearer: oneLine(4096).optional().meta({ label: 'Bearer token', widget: 'password', secret: true, help: 'If the receiver asks for one.' }),
  ca: z.string().trim().max(64 * 1024).regex(/^-----BEGIN CERTIFICATE-----[\s\S]+-----END CERTIFICATE-----$/, 'A certificate in PEM: it begins with -----BEGIN CERTIFICATE-----.')
    .optional().meta({ label: 'Certificate authority', widget: 'code', help: 'PEM. Where the server has no certificate of a well-known authority: that of yours, or its own.' }),
};

const IsEnabled = z.boolean().meta({ label: 'Send', help: 'What happens while it is off is never sent there.' });
const LeastSeverity = z.enum(eventSeverities).meta({ label: 'Least severity', help: 'What is less severe is not sent.' });
const Groups = z.array(z.enum(eventGroups)).max(eventGroups.length).meta({ label: 'Kinds of event', widget: 'set', help: 'Without any, all.' });

export const DestinationCreateInput = z.object({
  name: nameSchema.meta({ label: 'Name', help: 'How lists and events call it.' }),
  kind: z.enum(destinationKinds).meta({ label: 'Kind', help: 'How events are sent. It stays as it is.' }),
  isEnabled: IsEnabled.default(true), severity: LeastSeverity.default('warning'), kinds: Groups.default([]),
  ...settings,
});

export const DestinationInput = z.object({ destination: refSchema.meta({ label: 'Destination' }) });

const clearable = Object.fromEntries(Object.entries(settings).map(([name, field]) => [name, field.nullable()])) as { [K in keyof typeof settings]: z.ZodNullable<(typeof settings)[K]> }; // each of them, made so

/** Changes what is given; null takes away. Secrets that are not given stay. */
export const DestinationEditInput = DestinationInput.extend({ name: nameSchema.optional().meta({ label: 'Name', help: 'How lists and events call it.' }), isEnabled: IsEnabled.optional(), severity: LeastSeverity.optional(), kinds: Groups.optional(), ...clearable });

export const DestinationOutput = z.object({
  id: z.uuid(),
  name: z.string(),
  kind: z.enum(destinationKinds),
  isEnabled: z.boolean(),
  severity: z.enum(eventSeverities),
  kinds: z.array(z.enum(eventGroups)),
  host: z.string().nullable(), port: z.int().nullable(), transport: z.string().nullable(), security: z.string().nullable(),
  user: z.string().nullable(), from: z.string().nullable(), to: z.array(z.string()), gatherMinutes: z.int().nullable(), ca: z.string().nullable(),
  /** Where it leads, for people. */
  receiver: z.string(),
  /** Which secrets are set; never what they are. */
  secrets: z.array(z.enum(secretNames)),
  /** Without these nothing can be sent. */
  missing: z.array(z.enum(secretNames)),
  state: z.enum(['well', 'waiting', 'failing', 'incomplete', 'off']),
  /** Events that wait to be sent. */
  waiting: z.int(),
  lastDeliveredAt: z.int().nullable(),
  failingSince: z.int().nullable(),
  problem: z.object({ message: z.string(), nextStep: z.string() }).nullable(),
  createdAt: z.int(),
  generation: z.int(),
});
export const DestinationPage = z.object({ items: z.array(DestinationOutput), next: z.null() });

export const TestOutput = z.object({ message: z.string(), tookMs: z.int() });
