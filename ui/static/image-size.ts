/**
 * What a disk image says of itself, read from its first bytes in the browser: the format by its magic, and the size that a
 * guest sees, so that the disk for it can be made before it is sent. Offsets are those of the formats' specifications.
 */
export interface ImageHead {
  format: 'raw' | 'qcow2' | 'vmdk' | 'vdi' | 'vhdx';
  /** Undefined where the header does not tell it near its start. */
  sizeBytes: number | undefined;
}

const headBytes = 4 * 1024 * 1024;
/** The region of metadata, and in it the item "virtual disk size", by their GUIDs as they lie on disk. */
const metadataRegion = '06a27c8b90479a4bb8fe575f050f886e';
const virtualSizeItem = '2442a52f1bcd7648b2115dbed83bf4b8';

export async function readImageHead(file: File): Promise<ImageHead> {
  const view = new DataView(await file.slice(0, headBytes).arrayBuffer());
  const at = (offset: number, length: number) => (view.byteLength < offset + length ? '' : String.fromCharCode(...new Uint8Array(view.buffer, offset, length)));
  const number = (offset: number, isLittle: boolean) => (view.byteLength < offset + 8 ? undefined : Number(view.getBigUint64(offset, isLittle)));
  if (at(0, 4) === 'QFI\xfb') return { format: 'qcow2', sizeBytes: number(24, false) };
  if (at(0, 4) === 'KDMV') return { format: 'vmdk', sizeBytes: (number(12, true) ?? 0) * 512 };
  if (at(0x40, 4) === '\x7f\x10\xda\xbe') return { format: 'vdi', sizeBytes: number(0x170, true) };
  if (at(0, 8) === 'vhdxfile') return { format: 'vhdx', sizeBytes: vhdxSize(view) };
  return { format: 'raw', sizeBytes: Math.ceil(file.size / 4096) * 4096 };
}

/** VHDX: region table at 192 KiB -> metadata region -> item "virtual disk size". */
function vhdxSize(view: DataView): number | undefined {
  const metadata = findEntry(view, { from: 192 * 1024 + 16, count: at32(view, 192 * 1024 + 8), size: 32, id: metadataRegion });
  if (metadata === undefined) return undefined;
  const table = Number(view.getBigUint64(metadata + 16, true));
  if (table + 32 > view.byteLength) return undefined;
  const item = findEntry(view, { from: table + 32, count: view.getUint16(table + 10, true), size: 32, id: virtualSizeItem });
  if (item === undefined) return undefined;
  const offset = table + view.getUint32(item + 16, true);
  return offset + 8 > view.byteLength ? undefined : Number(view.getBigUint64(offset, true));
}

function at32(view: DataView, offset: number): number {
  return offset + 4 > view.byteLength ? 0 : view.getUint32(offset, true);
}

function findEntry(view: DataView, { from, count, size, id }: { from: number; count: number; size: number; id: string }): number | undefined {
  for (let index = 0; index < Math.min(count, 2048); index++) {
    const offset = from + index * size;
    if (offset + size > view.byteLength) return undefined;
    const bytes = [...new Uint8Array(view.buffer, offset, 16)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
    if (bytes === id) return offset;
  }
  return undefined;
}
