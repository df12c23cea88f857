/** Sizes for people: binary units, as disks and memory are bought and typed here. Everything inside counts bytes. */
export const KiB = 1024;
export const MiB = 1024 * KiB;
export const GiB = 1024 * MiB;
export const TiB = 1024 * GiB;

const units = [['TiB', TiB], ['GiB', GiB], ['MiB', MiB], ['KiB', KiB]] as const;

/** `1.5 GiB`, `512 MiB`, `17 bytes`: at most one decimal, never rounded up to a size that is not there. */
export function formatBytes(bytes: number): string {
  for (const [name, size] of units) {
    if (bytes >= size) return `${Math.floor((bytes / size) * 10) / 10} ${name}`;
  }
  return bytes === 1 ? '1 byte' : `${bytes} bytes`;
}

const sizePattern = /^(\d+(?:\.\d+)?)\s*(?:([KMGT])(?:i?B)?|B|bytes?)?$/i;
const sizeOf: Record<string, number> = { K: KiB, M: MiB, G: GiB, T: TiB };

/** Bytes in `20 GiB`, `20G`, `1.5t` or `4096`; `undefined` for anything else. `GB` is read as GiB, as disk tools do. */
export function parseBytes(text: string): number | undefined {
  const match = sizePattern.exec(text.trim());
  if (!match) return undefined;
  const bytes = Number(match[1]) * (sizeOf[(match[2] ?? '').toUpperCase()] ?? 1);
  return Number.isSafeInteger(Math.round(bytes)) ? Math.round(bytes) : undefined;
}
