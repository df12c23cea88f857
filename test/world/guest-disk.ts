/** What a guest writes to its disk, without a guest: into the layer that is on top, as its QEMU would. */
import { open } from 'node:fs/promises';
import { run } from '../../appliance/core/run.ts';
import { headerBytes } from '../../appliance/storage/image-header.ts';
import type { ImageSource } from '../../appliance/world.ts';

/** Writes `lengthBytes` times the byte `value`. Whole blocks of 64 KiB, so that both parts keep the same. */
export type GuestWrite = (image: ImageSource, at: number, lengthBytes: number, value: number) => Promise<void>;

/** Into an image of the simulated tool. */
export const simulatedWrite: GuestWrite = async ({ path, format }, at, lengthBytes, value) => {
  await using file = await open(path, 'r+');
  await file.write(Buffer.alloc(lengthBytes, value), 0, lengthBytes, (format === 'raw' ? 0 : headerBytes) + at);
};

/** Into a real one, by QEMU's own code. */
export const qemuIoWrite: GuestWrite = async (image, at, lengthBytes, value) => {
  await run(['qemu-io', '-c', `write -P ${value} ${at} ${lengthBytes}`, `json:${JSON.stringify(nodeOf(image))}`], { timeoutMs: 60_000 });
};

function nodeOf({ path, format, below }: ImageSource): Record<string, unknown> {
  const backing = format === 'qcow2' ? { backing: below ? nodeOf(below) : null } : {};
  return { driver: format, file: { driver: 'file', filename: path }, ...backing };
}
