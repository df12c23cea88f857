/**
 * What may be done with disks and domains, and how much room things take. Pure.
 *
 *   disk:  creating -> ok <-> locked (a resize, an upload, an import, a deletion is under way) -> gone
 *             \-> illegal (it could not be made and something still refers to it; delete it)
 *   image of a template:  creating -> template (frozen: it is read, and goes with its template) -> locked -> gone
 */
import { GiB, MiB } from '../core/units.ts';

export type DiskState = 'creating' | 'ok' | 'locked' | 'illegal' | 'template';

/** States in which a verb may begin. `attach` and `delete` queue behind the creation by the image's lock. */
export const diskAllows = {
  edit: ['creating', 'ok', 'locked', 'illegal'],
  attach: ['creating', 'ok'],
  start: ['ok'],
  resize: ['ok'],
  upload: ['ok'],
  download: ['ok', 'template'],
  snapshot: ['ok'],
  copy: ['ok', 'template'],
  reset: ['ok'],
  delete: ['creating', 'ok', 'illegal'],
} as const satisfies Record<string, readonly DiskState[]>;

export type DiskVerb = keyof typeof diskAllows;

/** Why `verb` may not begin now, for the person who asked; `undefined` when it may. */
export function diskFault(verb: DiskVerb, disk: { name: string; state: DiskState }): string | undefined {
  const allowed: readonly DiskState[] = diskAllows[verb];
  return allowed.includes(disk.state) ? undefined : `The disk "${disk.name}" ${stateText[disk.state]}`;
}

const stateText: Record<DiskState, string> = {
  creating: 'is still being created. Wait for its task to end.',
  ok: 'is ready.',
  locked: 'is being changed or filled. Wait for that to end, or cancel its task or upload.',
  illegal: 'has no valid content. Delete it.',
  template: 'is the image of a template, which nobody changes. Make a VM from the template, or delete the template.',
};

export type SpaceState = 'ok' | 'low' | 'critical';

export interface SpaceLimits {
  lowSpacePercent: number;
  criticalSpaceBytes: number;
}

/**
 * How full a domain is. A state is left only 1 % of the whole away from its limit, so that space that wavers around it does
 * not ring again and again.
 */
export function spaceState(space: { totalBytes: number; freeBytes: number }, limits: SpaceLimits, before: SpaceState = 'ok'): SpaceState {
  const slackBytes = space.totalBytes / 100;
  const isBelow = (limitBytes: number, isThere: boolean) => space.freeBytes < limitBytes + (isThere ? slackBytes : 0);
  if (isBelow(limits.criticalSpaceBytes, before === 'critical')) return 'critical';
  return isBelow((space.totalBytes * limits.lowSpacePercent) / 100, before !== 'ok') ? 'low' : 'ok';
}

/** 1 GiB, or a twentieth of a file system that is smaller than 20 GiB. */
export function defaultCriticalBytes(totalBytes: number): number {
  return Math.min(GiB, Math.floor(totalBytes / 20 / MiB) * MiB);
}

/** Room that a new volume takes at once. Tables of a preallocated cow volume take 1/8192 of its size and some clusters more. */
export function volumeBytes(volume: { sizeBytes: number; format: 'raw' | 'cow'; allocation: 'sparse' | 'preallocated' }): number {
  if (volume.allocation === 'sparse') return MiB;
  return volume.format === 'raw' ? volume.sizeBytes : volume.sizeBytes + Math.ceil(volume.sizeBytes / 4096) + MiB;
}

/** What a running import must do with an upload: take it as it is, or convert it. */
export function needsConversion(disk: { format: 'raw' | 'cow'; allocation: 'sparse' | 'preallocated' }, declared: string): boolean {
  if (disk.format === 'raw') return declared !== 'raw';
  return declared !== 'qcow2' || disk.allocation === 'preallocated';
}

export interface ContentRange {
  /** Absent in a question for the state (`bytes *` of 100). */
  startBytes?: number;
  /** Exclusive. */
  endBytes?: number;
  /** Absent while the uploader does not know it. */
  totalBytes?: number;
}

/** `Content-Range: bytes 0-99/200`, also with `*` for the range or for the total; `undefined` when it is malformed. */
export function parseContentRange(header: string): ContentRange | undefined {
  const match = /^bytes (?:(\d{1,16})-(\d{1,16})|\*)\/(\d{1,16}|\*)$/.exec(header.trim());
  if (!match) return undefined;
  const [startBytes, lastByte, totalBytes] = [match[1], match[2], match[3]].map((text) => (text === undefined || text === '*' ? undefined : Number(text)));
  if (startBytes === undefined || lastByte === undefined) return totalBytes === undefined ? undefined : { totalBytes };
  if (lastByte < startBytes || (totalBytes !== undefined && lastByte >= totalBytes)) return undefined;
  return { startBytes, endBytes: lastByte + 1, ...(totalBytes !== undefined && { totalBytes }) };
}

/**
 * One range of `Range: bytes=...` for a file of `sizeBytes`; end exclusive. `undefined` means the whole file: no range,
 * several ranges, or another unit, which a server may pass over (RFC 9110, 14.2).
 */
export function parseRange(header: string | null, sizeBytes: number): { startBytes: number; endBytes: number } | 'unsatisfiable' | undefined {
  const match = /^bytes=(\d{0,16})-(\d{0,16})$/.exec(header?.trim() ?? '');
  if (!match || (match[1] === '' && match[2] === '')) return undefined;
  const [first, last] = [match[1] ?? '', match[2] ?? ''];
  const startBytes = first === '' ? Math.max(0, sizeBytes - Number(last)) : Number(first);
  const endBytes = first === '' || last === '' ? sizeBytes : Math.min(sizeBytes, Number(last) + 1);
  if (first !== '' && last !== '' && Number(last) < Number(first)) return undefined;
  return startBytes < endBytes ? { startBytes, endBytes } : 'unsatisfiable';
}
