/**
 * Is this an installation image? Looks at the volume descriptors that begin at sector 16 (ECMA-119, 6.7.1): an ISO 9660 image
 * says `CD001` there, a UDF one `BEA01`. Pure; called while the upload is still under way and when it has ended.
 */
import { formatBytes } from '../core/units.ts';
import type { HeaderCheck } from './image-header.ts';
import { recognise, recogniseStranger } from './image-header.ts';

const sectorBytes = 2048;
const descriptorAt = 16 * sectorBytes;
/** Some writers count padding that they then leave out. */
const toleranceBytes = 1024 * 1024;

/** @param bytes the first `headerBytes` of the file, or all of it */
export function checkIso(bytes: Uint8Array): HeaderCheck {
  const identifier = new TextDecoder('latin1').decode(bytes.subarray(descriptorAt + 1, descriptorAt + 6));
  if (identifier === 'CD001' || identifier === 'BEA01') return { isOk: true };
  const stranger = recogniseStranger(bytes);
  if (stranger) return { isOk: false, reason: `This is ${stranger.name}. ${stranger.advice}` };
  const found = recognise(bytes);
  if (found) return { isOk: false, reason: `This is a ${found} disk image, not an installation image. Create a disk and upload it there, declared as ${found}.` };
  return { isOk: false, reason: 'This is not an ISO 9660 image. If it is a plain disk image, create a disk and upload it there, declared as raw; else check that the download was whole.' };
}

/** Whether the file is as long as its own volume descriptor says; `bytes` as above. */
export function checkIsoLength(bytes: Uint8Array, fileSizeBytes: number): HeaderCheck {
  const isPrimary = bytes.length >= descriptorAt + 132 && bytes[descriptorAt] === 1;
  if (!isPrimary) return { isOk: true };
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const volumeBytes = view.getUint32(descriptorAt + 80, true) * view.getUint16(descriptorAt + 128, true);
  if (volumeBytes <= fileSizeBytes + toleranceBytes) return { isOk: true };
  return { isOk: false, reason: `The file is cut off: it holds ${formatBytes(fileSizeBytes)} of ${formatBytes(volumeBytes)}. Download it again and upload the whole file.` };
}
