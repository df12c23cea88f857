/**
 * The log: one JSON object a line on standard error, for journald or a file. Everything about one request carries its
 * `requestId`; cause chains, argument vectors and tool output stand here and nowhere else.
 */
export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

export interface Log {
  debug(message: string, fields?: Record<string, unknown>): void;
  info(message: string, fields?: Record<string, unknown>): void;
  warn(message: string, fields?: Record<string, unknown>): void;
  error(message: string, fields?: Record<string, unknown>): void;
}

const order: LogLevel[] = ['debug', 'info', 'warn', 'error'];

/** `write` receives whole lines without the newline. */
export function createLog(write: (line: string) => void, least: LogLevel = 'info'): Log {
  const at = (level: LogLevel) => (message: string, fields: Record<string, unknown> = {}) => {
    if (order.indexOf(level) < order.indexOf(least)) return;
    write(lineOf({ at: new Date().toISOString(), level, message }, fields));
  };
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}

export const silentLog: Log = createLog(() => {});

/** A log that throws would turn the telling of a fault into another: what has no JSON is left out. */
function lineOf(head: Record<string, string>, fields: Record<string, unknown>): string {
  try {
    return JSON.stringify({ ...head, ...fields }, (_key, value) => plain(value));
  } catch (error) {
    return JSON.stringify({ ...head, unwritable: String(error) });
  }
}

/** Errors have no enumerable fields, so JSON would print `{}`: spell out message, stack and cause. */
function plain(value: unknown): unknown {
  if (typeof value === 'bigint') return value.toString();
  if (!(value instanceof Error)) return value;
  return { ...value, name: value.name, message: value.message, stack: value.stack, cause: value.cause };
}
