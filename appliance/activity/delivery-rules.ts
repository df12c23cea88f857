/** Events in the words of each kind of receiver: syslog (RFC 5424), a mail, JSON. Pure. */
import type { EventRow } from './events.ts';

/** One event as it is told. */
export interface Told {
  seq: number;
  id: number;
  at: number;
  lastAt: number;
  count: number;
  severity: EventRow['severity'];
  code: string;
  message: string;
  nextStep: string | null;
  about: EventRow['about'];
  /** `lasting`: a trouble that goes on; `over`: it has ended. */
  state: 'happened' | 'lasting' | 'over';
}

export interface Batch {
  /** In their order. */
  events: Told[];
  /** Older or more than are kept waiting. */
  leftOut: number;
  /** Nothing happened: somebody tries the way. */
  isTest: boolean;
}

export function tell({ seq, id, at, lastAt, count, severity, code, message, nextStep, about, isStanding, endedAt }: EventRow): Told {
  return { seq, id, at, lastAt, count, severity, code, message, nextStep, about, state: endedAt !== null ? 'over' : isStanding ? 'lasting' : 'happened' };
}

export function testBatch(name: string, now: number): Batch {
  const message = `This is a test of the destination "${name}". Nothing has happened.`;
  return { leftOut: 0, isTest: true, events: [{ seq: 0, id: 0, at: now, lastAt: now, count: 1, severity: 'info', code: 'destination.test', message, nextStep: null, about: [], state: 'happened' }] };
}

/** A whole sentence, or nothing. */
const leftOutText = (count: number): string => (count === 0 ? '' : `${count} older events could not be delivered in time and are left out here. The page "Events" still has what is kept.`);

const headline = ({ state, message, count }: Told): string => `${state === 'over' ? 'Over: ' : ''}${message}${count > 1 ? ` (noticed ${count} times)` : ''}`;

// ------------------------------------------------------------------------------------------------ syslog

const facility = 3; // system daemons
const priorities: Record<Told['severity'], number> = { error: 3, warning: 4, info: 6 };
const notice = 5;
const longestSequence = 2_147_483_647;

/** Printable ASCII of that length at most, as the header of RFC 5424 wants it. */
const header = (text: string, most: number): string => text.replace(/[^\x21-\x7e]/g, '_').slice(0, most) || '-';
const line = (text: string): string => text.replace(/\p{Cc}+/gu, ' ').trim();

export function syslogLines({ events, leftOut }: Batch, host: string): string[] {
  const first = events[0];
  const gap = leftOut > 0 && first ? [{ ...first, code: 'destination.left-out', severity: 'warning' as const, state: 'happened' as const, count: 1, message: leftOutText(leftOut), nextStep: null, about: [] }] : [];
  return [...gap, ...events].map((event) => syslogLine(event, host));
}

function syslogLine(event: Told, host: string): string {
  const { severity, state, lastAt, code, seq, nextStep } = event;
  const priority = facility * 8 + (state === 'over' ? notice : priorities[severity]);
  const text = line([headline(event), state === 'over' ? null : nextStep].filter(Boolean).join(' '));
  const mark = /[^\x20-\x7e]/.test(text) ? '\ufeff' : ''; // says that what follows is UTF-8
  return `<${priority}>1 ${new Date(lastAt).toISOString()} ${header(host, 255)} bothy - ${header(code, 32)} [meta sequenceId="${seq % longestSequence}"] ${mark}${text}`;
}

// ------------------------------------------------------------------------------------------------ e-mail

/** More are counted, not listed: nobody reads a mail of a thousand. */
const mostListed = 200;
const rank: Record<Told['severity'], number> = { info: 0, warning: 1, error: 2 };

export interface MailText {
  subject: string;
  text: string;
}

export function mailText({ events, leftOut, isTest }: Batch, host: string): MailText {
  const worst = events.reduce<Told | undefined>((found, event) => (found && rank[found.severity] >= rank[event.severity] ? found : event), undefined);
  const what = events.length === 1 && worst ? headline(worst) : `${events.length} events${worst ? `, the gravest: ${headline(worst)}` : ''}`;
  const subject = line(`[${host}] ${isTest ? 'Test' : worst ? severityWord(worst) : 'Events'}: ${what}`);
  const listed = events.slice(-mostListed);
  const notListed = events.length - listed.length;
  const parts = [
    ...(leftOut > 0 ? [leftOutText(leftOut)] : []),
    ...(notListed > 0 ? [`${notListed} earlier events are not listed in this mail. The page "Events" has them.`] : []),
    ...listed.map(mailPart),
    `-- \nBothy on ${host} sends this because a destination of events says so.`,
  ];
  return { subject: subject.length > 180 ? `${subject.slice(0, 179)}…` : subject, text: parts.join('\n\n') };
}

const severityWord = ({ severity, state }: Told): string => (state === 'over' ? 'Over' : { error: 'Error', warning: 'Warning', info: 'Info' }[severity]);

function mailPart(event: Told): string {
  const time = new Date(event.lastAt).toISOString().replace('T', ' ').slice(0, 19);
  const next = event.nextStep && event.state !== 'over' ? `\n    ${line(event.nextStep)}` : '';
  return `${time} UTC  ${severityWord(event)}\n    ${line(headline(event))}${next}`;
}

// ------------------------------------------------------------------------------------------------ webhook

export function webhookBody({ events, leftOut, isTest }: Batch, host: string, sentAt: number): string {
  return JSON.stringify({ version: 1, host, sentAt, isTest, leftOut, events });
}
