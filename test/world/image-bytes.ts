/**
 * Disk image headers byte by byte, for tests: real enough that our own parser and qemu-img agree on what they say,
 * and free to say what qemu-img would never write.
 */
export interface Qcow2Fields {
  version: 2 | 3;
  virtualSizeBytes: bigint;
  clusterBits: number;
  backingFile: string;
  encryption: number;
  features: bigint;
  /** Extensions as type and data. */
  extensions: { type: number; data: Uint8Array }[];
}

export const dataFileExtension = 0x44415441;
const featureNames = 0x6803f857;

export function qcow2Header(fields: Partial<Qcow2Fields> = {}): Uint8Array {
  const { version = 3, virtualSizeBytes = 1n << 20n, clusterBits = 16, backingFile = '', encryption = 0, features = 0n } = fields;
  const bytes = new Uint8Array(65536);
  const view = new DataView(bytes.buffer);
  bytes.set([0x51, 0x46, 0x49, 0xfb]);
  view.setUint32(4, version);
  view.setUint32(20, clusterBits);
  view.setBigUint64(24, virtualSizeBytes);
  view.setUint32(32, encryption);
  let at = version === 3 ? 104 : 72;
  if (version === 3) {
    view.setBigUint64(72, features);
    view.setUint32(96, 4);
    view.setUint32(100, at);
  }
  for (const { type, data } of fields.extensions ?? [{ type: featureNames, data: new Uint8Array(48) }]) {
    view.setUint32(at, type);
    view.setUint32(at + 4, data.length);
    bytes.set(data, at + 8);
    at += 8 + Math.ceil(data.length / 8) * 8;
  }
  const name = new TextEncoder().encode(backingFile);
  if (name.length > 0) {
    view.setBigUint64(8, BigInt(at + 8));
    view.setUint32(16, name.length);
    bytes.set(name, at + 8);
  }
  return bytes;
}

export function vmdkHeader({ capacitySectors = 2048n, descriptor = 'createType="monolithicSparse"\n' } = {}): Uint8Array {
  const bytes = new Uint8Array(65536);
  const view = new DataView(bytes.buffer);
  bytes.set(new TextEncoder().encode('KDMV'));
  view.setUint32(4, 1, true);
  view.setBigUint64(12, capacitySectors, true);
  view.setBigUint64(20, 128n, true);
  bytes.set(new TextEncoder().encode(`# Disk DescriptorFile\nversion=1\n${descriptor}`), 512);
  return bytes;
}

export function vdiHeader({ virtualSizeBytes = 1n << 20n, imageType = 1, parent = 0 } = {}): Uint8Array {
  const bytes = new Uint8Array(1024);
  const view = new DataView(bytes.buffer);
  bytes.set([0x7f, 0x10, 0xda, 0xbe], 0x40);
  view.setUint32(68, 0x00010001, true);
  view.setUint32(76, imageType, true);
  view.setBigUint64(368, virtualSizeBytes, true);
  bytes[440] = parent;
  return bytes;
}

export function vhdxHeader(): Uint8Array {
  const bytes = new Uint8Array(65536);
  bytes.set(new TextEncoder().encode('vhdxfile'));
  return bytes;
}
