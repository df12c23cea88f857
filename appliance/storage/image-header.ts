/**
 * What the first bytes of a disk image say, before any tool opens it.
 *
 * The uploader declares the format and we hold the file to it: probing would let a guest that writes a qcow2 header into
 * its raw disk read any file of the host. `checkDeclared` refuses what names another file (backing file, data file,
 * extents), what is encrypted, and what is something else; each reason tells what to do. The first 64 KiB are enough:
 * what a header could hide further on (a parent in a VHDX) qemu-img itself refuses.
 *
 * Pure. Called while an upload is still under way, and again when it has ended.
 */
import type { ImageFormat } from '../world.ts';
import { parseQcow2Header, qcow2Magic } from './qcow2-header.ts';

/** How much of a file `checkDeclared` wants to see; less only if the file is shorter. */
export const headerBytes = 64 * 1024;

export type HeaderCheck =
  /** `virtualSizeBytes` is absent where the header alone cannot tell (VHDX). */
  | { isOk: true; virtualSizeBytes?: number }
  | { isOk: false; reason: string };

/** Foreign files that people upload by mistake, by magic number, with what to do about each. */
const strangers: { name: string; at: number; magic: number[]; advice: string }[] = [
  { name: 'a gzip archive', at: 0, magic: [0x1f, 0x8b], advice: 'Unpack it and upload the image inside.' },
  { name: 'an xz archive', at: 0, magic: [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00], advice: 'Unpack it and upload the image inside.' },
  { name: 'a bzip2 archive', at: 0, magic: [...ascii('BZh')], advice: 'Unpack it and upload the image inside.' },
  { name: 'a zstd archive', at: 0, magic: [0x28, 0xb5, 0x2f, 0xfd], advice: 'Unpack it and upload the image inside.' },
  { name: 'a zip archive', at: 0, magic: [...ascii('PK'), 3, 4], advice: 'Unpack it and upload the image inside.' },
  { name: 'a tar archive, perhaps an OVA', at: 257, magic: [...ascii('ustar')], advice: 'Unpack it and upload the disk image inside.' },
  { name: 'a VHD image', at: 0, magic: [...ascii('conectix')], advice: 'Convert it first: qemu-img convert -f vpc -O qcow2.' },
  { name: 'a qcow image of version 1', at: 0, magic: [...qcow2Magic, 0, 0, 0, 1], advice: 'Convert it first: qemu-img convert -f qcow -O qcow2.' },
  { name: 'a web page', at: 0, magic: [...ascii('<!DOCTYPE')], advice: 'Download the image itself and upload that.' },
];

const vdiSignature = [0x7f, 0x10, 0xda, 0xbe];
const sectorBytes = 512;
/** Where QEMU looks for the parent of a sparse VMDK (block/vmdk.c, vmdk_parent_open). */
const vmdkDescriptor = { startBytes: 512, endBytes: 512 + 20 * 512 };

/** What a file is that is no disk image at all. */
export function recogniseStranger(bytes: Uint8Array): { name: string; advice: string } | undefined {
  return strangers.find(({ at, magic }) => startsWith(bytes, at, magic));
}

/** The format that the magic number shows; `undefined` for anything without one, as raw has none. */
export function recognise(bytes: Uint8Array): Exclude<ImageFormat, 'raw'> | undefined {
  if (startsWith(bytes, 0, qcow2Magic) && (bytes[7] === 2 || bytes[7] === 3)) return 'qcow2';
  if (startsWith(bytes, 0, ascii('KDMV')) || startsWith(bytes, 0, ascii('COWD')) || isVmdkDescriptor(bytes)) return 'vmdk';
  if (startsWith(bytes, 0, ascii('vhdxfile'))) return 'vhdx';
  if (startsWith(bytes, 0x40, vdiSignature)) return 'vdi';
  return undefined;
}

/**
 * Holds a file to its declared format.
 * @param bytes the first `headerBytes` of the file, or all of it
 * @param fileSizeBytes size of the whole file
 */
export function checkDeclared(declared: ImageFormat, bytes: Uint8Array, fileSizeBytes: number): HeaderCheck {
  if (fileSizeBytes === 0) return refuse('The file is empty. Choose another one.');
  const stranger = recogniseStranger(bytes);
  if (stranger) return refuse(`This is ${stranger.name}. ${stranger.advice}`);
  const found = recognise(bytes);
  if (found && found !== declared) return refuse(`This is a ${found} image, but it was declared as ${declared}. Upload it again declared as ${found}.`);
  if (declared === 'raw') return { isOk: true, virtualSizeBytes: Math.ceil(fileSizeBytes / sectorBytes) * sectorBytes };
  if (!found) return refuse(`This is not a ${declared} image: its header is missing. If it is a plain disk image, declare it as raw; else check that the file is whole.`);
  return checks[declared](bytes);
}

const checks: Record<Exclude<ImageFormat, 'raw'>, (bytes: Uint8Array) => HeaderCheck> = {
  qcow2: checkQcow2,
  vmdk: checkVmdk,
  vdi: checkVdi,
  vhdx: () => ({ isOk: true }),
};

function checkQcow2(bytes: Uint8Array): HeaderCheck {
  const header = parseQcow2Header(bytes);
  if (!header) return refuse('The qcow2 header is damaged. Check the file with qemu-img check and upload it again.');
  if (header.backingFile !== undefined) {
    return refuse(`The image is only a layer over the backing file "${printable(header.backingFile)}", which does not come with it. Merge them first: qemu-img convert -O qcow2.`);
  }
  if (header.hasDataFile) return refuse('The image keeps its data in a separate data file, which does not come with it. Merge them first: qemu-img convert -O qcow2.');
  if (header.isEncrypted) return refuse('The image is encrypted. Decrypt it first: qemu-img convert with its secret.');
  if (header.isCorrupt) return refuse('The image is marked as corrupt. Repair it first: qemu-img check -r all.');
  if (header.unknownFeatures.length > 0) {
    return refuse(`The image needs qcow2 features that are not known here (bits ${header.unknownFeatures.join(', ')}). Convert it first: qemu-img convert -O qcow2.`);
  }
  return sized(header.virtualSizeBytes);
}

/**
 * A VMDK is opened by qemu-img from its own descriptor, which may list other files as extents or as parent. Only the
 * sparse kinds carry all data in one file; with a capacity of 0 QEMU would follow the descriptor (block/vmdk.c).
 */
function checkVmdk(bytes: Uint8Array): HeaderCheck {
  const advice = 'Export it as one file (monolithicSparse or streamOptimized), or convert it: qemu-img convert -O qcow2.';
  if (isVmdkDescriptor(bytes)) return refuse(`This is only the descriptor of a VMDK: the data lies in other files. ${advice}`);
  if (bytes.length < sectorBytes || startsWith(bytes, 0, ascii('COWD'))) return refuse(`This kind of VMDK is not supported. ${advice}`);
  const capacitySectors = viewOf(bytes).getBigUint64(12, true);
  if (capacitySectors === 0n) return refuse(`The data of this VMDK lies in other files. ${advice}`);
  const descriptor = new TextDecoder('latin1').decode(bytes.subarray(vmdkDescriptor.startBytes, vmdkDescriptor.endBytes));
  if (descriptor.includes('parentFileNameHint')) return refuse(`The image is only a layer over another VMDK, which does not come with it. ${advice}`);
  return sized(capacitySectors * BigInt(sectorBytes));
}

function checkVdi(bytes: Uint8Array): HeaderCheck {
  if (bytes.length < sectorBytes) return refuse('The VDI header is cut off. Upload the whole file.');
  const view = viewOf(bytes);
  const isWhole = [1, 2].includes(view.getUint32(76, true)) && bytes.subarray(424, 456).every((byte) => byte === 0);
  if (!isWhole) return refuse('The image is a snapshot layer over another VDI, which does not come with it. Clone it to a new VDI first and upload that.');
  return sized(view.getBigUint64(368, true));
}

function sized(virtualSizeBytes: bigint): HeaderCheck {
  if (virtualSizeBytes === 0n) return refuse('The image holds a disk of size 0. Choose another file.');
  if (virtualSizeBytes > BigInt(Number.MAX_SAFE_INTEGER)) return refuse('The image claims an impossible size; its header is damaged. Get the file again and upload that.');
  return { isOk: true, virtualSizeBytes: Number(virtualSizeBytes) };
}

function refuse(reason: string): HeaderCheck {
  return { isOk: false, reason };
}

function startsWith(bytes: Uint8Array, at: number, magic: ArrayLike<number>): boolean {
  return Array.from(magic).every((byte, index) => bytes[at + index] === byte);
}

function isVmdkDescriptor(bytes: Uint8Array): boolean {
  return startsWith(bytes, 0, ascii('# Disk DescriptorFile'));
}

function ascii(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** A name from a stranger's file, fit to be shown: no control characters, not endless. */
function printable(name: string): string {
  return name.replace(/\p{C}/gu, '?').slice(0, 200);
}
