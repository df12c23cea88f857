/**
 * The few words of tar (POSIX ustar) that update bundles and machines to carry are written in: plain files with short names, nothing else. Everybody can
 * look into one with `tar tvf`. What others write is read by `vm/carry/archive.ts`, which knows more words. Pure.
 */
export const blockBytes = 512;
/** What a header can say in its eleven octal digits; more is said in binary, as GNU tar does. */
const mostBytes = 8 ** 11 - 1;

export interface Member {
  name: string;
  sizeBytes: number;
}

/** Room that a file takes, filled up to whole blocks. */
export const paddedBytes = (sizeBytes: number) => Math.ceil(sizeBytes / blockBytes) * blockBytes;

/** Two empty blocks end a tar. */
export const endOfTar = new Uint8Array(2 * blockBytes);

export function formatHeader({ name, sizeBytes }: Member, modifiedAt: number): Uint8Array {
  if (!/^[\w.-]{1,99}$/.test(name)) throw new Error(`not a name for a tar member: ${name}`);
  const header = Buffer.alloc(blockBytes);
  header.write(name, 0);
  header.write('0000644\0', 100);
  header.write('0000000\0', 108);
  header.write('0000000\0', 116);
  if (sizeBytes <= mostBytes) header.write(`${sizeBytes.toString(8).padStart(11, '0')}\0`, 124);
  else {
    header[124] = 0x80;
    header.writeBigUInt64BE(BigInt(sizeBytes), 128);
  }
  header.write(`${Math.floor(modifiedAt / 1000).toString(8).padStart(11, '0')}\0`, 136);
  header.write('0', 156);
  header.write('ustar\x0000', 257);
  header.write(`${checksumOf(header).toString(8).padStart(6, '0')}\0 `, 148);
  return header;
}

/** The member that `block` announces; `undefined` when it is no header of a plain file. */
export function parseHeader(block: Uint8Array): Member | undefined {
  const header = Buffer.from(block.buffer, block.byteOffset, block.length);
  if (header.length !== blockBytes || header.toString('latin1', 257, 262) !== 'ustar' || header.toString('latin1', 156, 157) !== '0') return undefined;
  const octal = (start: number, end: number) => {
    const text = /^([0-7]{1,11})[\0 ]*$/.exec(header.toString('latin1', start, end))?.[1];
    return text === undefined ? Number.NaN : Number.parseInt(text, 8);
  };
  const name = /^([\w.-]{1,99})\0/.exec(header.toString('latin1', 0, 100))?.[1];
  const sizeBytes = octal(124, 136);
  if (name === undefined || octal(148, 156) !== checksumOf(header) || Number.isNaN(sizeBytes)) return undefined;
  return { name, sizeBytes };
}

/** Sum of all bytes, with spaces where the sum itself stands. */
export function checksumOf(header: Uint8Array): number {
  return header.reduce((sum, byte, index) => sum + (index >= 148 && index < 156 ? 32 : byte), 0);
}
