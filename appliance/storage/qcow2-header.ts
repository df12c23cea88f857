/**
 * The qcow2 header (QEMU's docs/interop/qcow2.txt), as far as it matters before anything opens the file: does it
 * name another file, is it encrypted, does it need something that we do not know? All numbers are big-endian.
 *
 *   0 magic  4 version  8 backing file offset  16 its length  20 cluster bits  24 virtual size  32 encryption method
 *   version 3 only: 72 incompatible features  100 header length, where the extensions begin (type, length, data)
 *
 * Pure. Called by `image-header.ts`.
 */
export interface Qcow2Header {
  version: number;
  virtualSizeBytes: bigint;
  clusterSizeBytes: number;
  /** The name as it stands there, or `?` when it lies outside of what was read. */
  backingFile: string | undefined;
  /** Guest data lies in another file. */
  hasDataFile: boolean;
  isEncrypted: boolean;
  isCorrupt: boolean;
  /** Incompatible features, by bit number, that this parser does not know. */
  unknownFeatures: number[];
}

export const qcow2Magic = [0x51, 0x46, 0x49, 0xfb];

const feature = { dirty: 0, corrupt: 1, dataFile: 2, compressionType: 3, extendedL2: 4 };
const knownFeatures = new Set(Object.values(feature));
const dataFileExtension = 0x44415441;
const headerBytesV2 = 72;
const headerBytesV3 = 104;

/** The header, or `undefined` when `bytes` do not begin with a whole qcow2 header of version 2 or 3. */
export function parseQcow2Header(bytes: Uint8Array): Qcow2Header | undefined {
  if (bytes.length < headerBytesV2 || qcow2Magic.some((byte, index) => bytes[index] !== byte)) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const version = view.getUint32(4);
  const clusterBits = view.getUint32(20);
  if ((version !== 2 && version !== 3) || clusterBits < 9 || clusterBits > 21) return undefined;
  if (version === 3 && bytes.length < headerBytesV3) return undefined;
  const features = version === 3 ? bitsOf(view.getBigUint64(72)) : [];
  return {
    version,
    virtualSizeBytes: view.getBigUint64(24),
    clusterSizeBytes: 2 ** clusterBits,
    backingFile: backingFileOf(view, bytes),
    hasDataFile: features.includes(feature.dataFile) || hasExtension(view, version === 3 ? view.getUint32(100) : headerBytesV2),
    isEncrypted: view.getUint32(32) !== 0,
    isCorrupt: features.includes(feature.corrupt),
    unknownFeatures: features.filter((bit) => !knownFeatures.has(bit)),
  };
}

function bitsOf(mask: bigint): number[] {
  return Array.from({ length: 64 }, (_, bit) => bit).filter((bit) => (mask >> BigInt(bit)) & 1n);
}

function backingFileOf(view: DataView, bytes: Uint8Array): string | undefined {
  const offset = view.getBigUint64(8);
  if (offset === 0n) return undefined;
  const lengthBytes = view.getUint32(16);
  if (lengthBytes === 0 || offset + BigInt(lengthBytes) > BigInt(bytes.length)) return '?';
  return new TextDecoder().decode(bytes.subarray(Number(offset), Number(offset) + lengthBytes));
}

function hasExtension(view: DataView, startBytes: number): boolean {
  for (let at = startBytes; at + 8 <= view.byteLength; ) {
    const type = view.getUint32(at);
    if (type === 0) return false;
    if (type === dataFileExtension) return true;
    at += 8 + Math.ceil(view.getUint32(at + 4) / 8) * 8;
  }
  return false;
}
