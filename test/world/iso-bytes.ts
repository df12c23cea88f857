/** An ISO 9660 image byte by byte: a primary volume descriptor where it belongs, and filling. */
export function isoImage(sizeBytes = 256 * 1024, { volumeBytes = sizeBytes, fill = 0x5a } = {}): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(sizeBytes).fill(fill);
  bytes.fill(0, 0, 36 * 1024);
  bytes[32768] = 1;
  bytes.set(new TextEncoder().encode('CD001'), 32769);
  const view = new DataView(bytes.buffer);
  view.setUint32(32768 + 80, volumeBytes / 2048, true);
  view.setUint16(32768 + 128, 2048, true);
  return bytes;
}
