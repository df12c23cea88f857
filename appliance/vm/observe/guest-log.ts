/**
 * How a domain ended while nobody listened: libvirt writes it as the last line of the domain's own log,
 * `2026-11-23 04:16:33.646+0000: shutting down, reason=destroyed`, and tells it to nobody later.
 *
 * The log speaks of shut-off reasons, events of details: a QEMU that died is `crashed` here and `failed` there. One of the World's ports;
 * the real world makes it.
 */
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import type { GuestLog } from '../../world.ts';

type Ending = Awaited<ReturnType<GuestLog['lastEnding']>>;

/** Where libvirt keeps the logs of the system's domains. */
const systemFolder = '/var/log/libvirt/qemu';
/** QEMU's own complaints may follow the line. */
const tailBytes = 16 * 1024;

export function createGuestLog(folder = systemFolder): GuestLog {
  return {
    lastEnding: async (name) => parseLastEnding(await readTail(join(folder, `${name}.log`))),
    lastWords: async (name) => parseLastWords(await readTail(join(folder, `${name}.log`))),
  };
}

/** Empty where there is no log. */
async function readTail(path: string): Promise<string> {
  const file = await open(path).catch(() => undefined);
  if (!file) return '';
  try {
    const { size } = await file.stat();
    const { buffer, bytesRead } = await file.read(Buffer.alloc(tailBytes), 0, tailBytes, Math.max(0, size - tailBytes));
    return buffer.subarray(0, bytesRead).toString('utf8');
  } finally {
    await file.close();
  }
}

const complaint = /^(?:\d{4}-\d\d-\d\dT[\d:.]+Z )?(qemu[\w.-]*: .+)/;
const longestWords = 300;

/** Exported for its tests. */
export function parseLastWords(log: string): string {
  const lines = log.split('\n');
  const since = lines.slice(lines.findLastIndex((text) => line.exec(text)?.[3] === 'starting up') + 1);
  return (since.map((text) => complaint.exec(text)?.[1]).findLast((words) => words !== undefined) ?? '').slice(0, longestWords);
}

const line = /^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d\.\d{3})\+0000: (starting up|shutting down, reason=([\w-]+))/;
const details: Record<string, NonNullable<Ending>['detail']> = { shutdown: 'shutdown', destroyed: 'destroyed', crashed: 'failed', failed: 'failed' };

/** Exported for its tests. */
export function parseLastEnding(log: string): Ending {
  const last = log.split('\n').map((text) => line.exec(text)).findLast((match) => match !== null);
  const [, day, time, , reason = ''] = last ?? [];
  const detail = details[reason];
  return detail && { detail, at: Date.parse(`${day}T${time}Z`) };
}
