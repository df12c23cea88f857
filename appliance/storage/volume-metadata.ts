/**
 * `<volume>.meta` in the form of oVirt's version 5 (vdsm: storage/volumemetadata.py): sorted `KEY=value` lines and `EOF`,
 * at most 512 bytes, so that on a block domain it fits the one sector that is written at once.
 *
 * The database is what we work from; this is what makes a domain readable without it.
 * Pure. Called by the backends.
 */
export type VolumeFormat = 'raw' | 'cow';
export type Allocation = 'sparse' | 'preallocated';
export type VolumeRole = 'leaf' | 'internal' | 'shared';

/** One link of an image's chain. */
export interface Volume {
  domainId: string;
  imageId: string;
  volumeId: string;
  /** The volume below it in the chain; absent at the bottom. */
  parentId?: string;
  format: VolumeFormat;
  allocation: Allocation;
  role: VolumeRole;
  /** Virtual size. */
  sizeBytes: number;
  /** False while its content is being made: nothing may start from it. */
  isLegal: boolean;
  /** See `describeDisk`. */
  description: string;
  /** Seconds since the epoch. */
  createdAt: number;
  /** Counts finished changes, 0 to 999 and then from 0 again. */
  generation: number;
}

const sectorBytes = 512;
/** vdsm's DESCRIPTION_SIZE: what is left of a sector in the worst case. */
const descriptionBytes = 210;
const blankId = '00000000-0000-0000-0000-000000000000';

export function formatVolumeMetadata(volume: Volume): string {
  const values: Record<string, string | number> = {
    CAP: volume.sizeBytes,
    CTIME: volume.createdAt,
    DESCRIPTION: cut(volume.description.replace(/[\r\n]/g, ' '), descriptionBytes),
    DISKTYPE: 'DATA',
    DOMAIN: volume.domainId,
    FORMAT: volume.format.toUpperCase(),
    GEN: volume.generation % 1000,
    IMAGE: volume.imageId,
    LEGALITY: volume.isLegal ? 'LEGAL' : 'ILLEGAL',
    PUUID: volume.parentId ?? blankId,
    SEQ: 1,
    TYPE: volume.allocation.toUpperCase(),
    VOLTYPE: volume.role.toUpperCase(),
  };
  const text = [...Object.keys(values).sort().map((key) => `${key}=${values[key]}`), 'EOF', ''].join('\n');
  if (Buffer.byteLength(text) > sectorBytes) throw new Error(`volume metadata of ${Buffer.byteLength(text)} bytes: ${text}`);
  return text;
}

export type ParsedVolume = { isOk: true; volume: Volume } | { isOk: false; reason: string };

/** Reads `<volumeId>.meta`. Keys that we do not know are passed over, as vdsm does. */
export function parseVolumeMetadata(volumeId: string, text: string): ParsedVolume {
  const values = new Map<string, string>();
  for (const line of text.split('\n')) {
    if (line.startsWith('EOF')) break;
    const at = line.indexOf('=');
    if (at > 0) values.set(line.slice(0, at).trim(), line.slice(at + 1).trim());
  }
  const wrong = Object.entries(patterns).find(([key, pattern]) => !pattern.test(values.get(key) ?? ''));
  if (wrong) return { isOk: false, reason: `${wrong[0]} is ${values.get(wrong[0]) ?? 'missing'}` };
  const value = (key: keyof typeof patterns) => values.get(key) ?? '';
  const parentId = value('PUUID');
  return {
    isOk: true,
    volume: {
      volumeId,
      domainId: value('DOMAIN'),
      imageId: value('IMAGE'),
      ...(parentId !== blankId && { parentId }),
      format: value('FORMAT').toLowerCase() as VolumeFormat, // the pattern admits no other
      allocation: value('TYPE').toLowerCase() as Allocation, // likewise
      role: value('VOLTYPE').toLowerCase() as VolumeRole, // likewise
      sizeBytes: Number(value('CAP')),
      isLegal: value('LEGALITY') === 'LEGAL',
      description: values.get('DESCRIPTION') ?? '',
      createdAt: Number(value('CTIME')),
      generation: Number(value('GEN') || 0),
    },
  };
}

const id = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const patterns = {
  CAP: /^\d{1,15}$/,
  CTIME: /^\d{1,12}$/,
  DOMAIN: id,
  FORMAT: /^(RAW|COW)$/,
  GEN: /^(\d{1,3})?$/,
  IMAGE: id,
  LEGALITY: /^(LEGAL|ILLEGAL|FAKE)$/,
  PUUID: id,
  TYPE: /^(SPARSE|PREALLOCATED)$/,
  VOLTYPE: /^(LEAF|INTERNAL|SHARED)$/,
};

/** A disk's name and description as oVirt keeps them in a volume's description: JSON, shortened until it fits. */
export function describeDisk({ name, description }: { name: string; description: string }): string {
  const characters = [...description];
  for (let count = characters.length; count >= 0; count--) {
    const text = JSON.stringify({ DiskAlias: name, DiskDescription: characters.slice(0, count).join('') });
    if (Buffer.byteLength(text) <= descriptionBytes) return text;
  }
  return JSON.stringify({ DiskAlias: cut(name, 80) });
}

/** The longest start of `text` that fits, never half a character. */
function cut(text: string, bytes: number): string {
  let taken = '';
  let size = 0;
  for (const character of text) {
    size += Buffer.byteLength(character);
    if (size > bytes) break;
    taken += character;
  }
  return taken;
}
