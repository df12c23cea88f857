/** Is this the image of a floppy disk? It has no mark of its own: it is as long as a floppy disk is. Pure. */
import { formatBytes, KiB } from '../core/units.ts';
import { type HeaderCheck, recognise, recogniseStranger } from './image-header.ts';

/** Those that QEMU's drive takes, by what is written on the box. */
const sizes = [160, 180, 320, 360, 720, 1200, 1440, 1680, 1722, 2880].map((kib) => kib * KiB);
const largest = Math.max(...sizes);

/** @param bytes the beginning of the file; `fileSizeBytes` is absent while nobody has said how long it will be */
export function checkFloppy(bytes: Uint8Array, fileSizeBytes: number | undefined): HeaderCheck {
  const stranger = recogniseStranger(bytes);
  if (stranger) return { isOk: false, reason: `This is ${stranger.name}. ${stranger.advice}` };
  const found = recognise(bytes);
  if (found) return { isOk: false, reason: `This is a ${found} disk image, not a floppy disk. Create a disk and upload it there, declared as ${found}.` };
  if (fileSizeBytes === undefined || sizes.includes(fileSizeBytes)) return { isOk: true };
  if (fileSizeBytes > largest) return { isOk: false, reason: 'This is larger than any floppy disk. If it is a plain disk image, create a disk and upload it there, declared as raw.' };
  return { isOk: false, reason: `No floppy disk has ${formatBytes(fileSizeBytes)}: it may be cut off. Usual are 1440 KiB, 720 KiB and 2880 KiB.` };
}
