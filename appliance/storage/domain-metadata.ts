/**
 * `dom_md/metadata` of a storage domain, in the form of oVirt's version 5 (vdsm: storage/sd.py, storage/persistent.py):
 * sorted `KEY=value` lines, then `_SHA_CKSUM`, the SHA-1 over those lines without their ends, each character outside
 * of ASCII as an XML reference. The lock parameters are vdsm's defaults; we do not use them, other readers expect them.
 *
 * Pure. Called by `file-domain.ts`.
 */
import { createHash } from 'node:crypto';
import { MiB } from '../core/units.ts';

export type DomainClass = 'data' | 'iso';

export interface DomainMetadata {
  id: string;
  class: DomainClass;
  /** The domain's name as it was when it was made. */
  description: string;
  /** Where it was made, for people; nothing relies on it. */
  remotePath: string;
}

export const domainVersion = 5;
const checksumKey = '_SHA_CKSUM';
const className: Record<DomainClass, string> = { data: 'Data', iso: 'Iso' };

const fixed = {
  ALIGNMENT: `${MiB}`,
  BLOCK_SIZE: '512',
  IOOPTIMEOUTSEC: '10',
  LEASERETRIES: '3',
  LEASETIMESEC: '60',
  LOCKPOLICY: '',
  LOCKRENEWALINTERVALSEC: '5',
  POOL_UUID: '',
  ROLE: 'Regular',
  TYPE: 'LOCALFS',
  VERSION: `${domainVersion}`,
};

/** Throws when a value has a line end in it: that would forge a key. */
export function formatDomainMetadata(domain: DomainMetadata): string {
  return seal({
    ...fixed,
    CLASS: className[domain.class],
    DESCRIPTION: domain.description,
    REMOTE_PATH: domain.remotePath,
    SDUUID: domain.id,
  });
}

export type ParsedDomain = { isOk: true; domain: DomainMetadata } | { isOk: false; reason: string };

export function parseDomainMetadata(text: string): ParsedDomain {
  const values = new Map<string, string>();
  for (const line of text.split('\n')) {
    const at = line.indexOf('=');
    if (at > 0) values.set(line.slice(0, at).trim(), line.slice(at + 1));
  }
  const declared = values.get(checksumKey);
  values.delete(checksumKey);
  if (declared === undefined) return { isOk: false, reason: 'it has no checksum' };
  if (declared.trim() !== checksum(linesOf(Object.fromEntries(values)))) return { isOk: false, reason: 'its checksum is wrong' };
  if (values.get('VERSION') !== fixed.VERSION) return { isOk: false, reason: `its version is ${values.get('VERSION') ?? 'missing'}, not ${domainVersion}` };
  const found = (['data', 'iso'] as const).find((name) => className[name] === values.get('CLASS'));
  if (!found) return { isOk: false, reason: `its class is ${values.get('CLASS') ?? 'missing'}` };
  const domain = { id: values.get('SDUUID') ?? '', class: found, description: values.get('DESCRIPTION') ?? '', remotePath: values.get('REMOTE_PATH') ?? '' };
  return { isOk: true, domain };
}

/** The text of a sealed set of values; exported for the tests that hold it against vdsm's own vectors. */
export function seal(values: Record<string, string>): string {
  const lines = linesOf(values);
  const broken = lines.find((line) => /[\r\n]/.test(line));
  if (broken !== undefined) throw new Error(`a line end in metadata: ${JSON.stringify(broken)}`);
  return [...lines, `${checksumKey}=${checksum(lines)}`, ''].join('\n');
}

function linesOf(values: Record<string, string>): string[] {
  return Object.keys(values).sort().map((key) => `${key}=${values[key]}`);
}

function checksum(lines: string[]): string {
  const hash = createHash('sha1');
  for (const line of lines) hash.update(line.replace(/[^\0-\x7f]/gu, (character) => `&#${character.codePointAt(0)};`));
  return hash.digest('hex');
}
