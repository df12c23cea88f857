/** What the boot says about a site file: the kernel's command line and the OEM strings of SMBIOS. Pure. */

/** Values may be quoted as the kernel allows; of a key that stands twice the last counts, as with the kernel. */
export function parseCommandLine(line: string): { site: string | undefined; sha256: string | undefined } {
  const words = [...line.trim().matchAll(/(?:[^\s"]|"[^"]*")+/g)].map(([word]) => word.replaceAll('"', ''));
  const last = (key: string) => words.filter((word) => word.startsWith(`${key}=`)).at(-1)?.slice(key.length + 1) || undefined;
  return { site: last('bothy.site'), sha256: last('bothy.site.sha256') };
}

/** The strings of a raw SMBIOS structure of type 11; none when it is something else. */
export function parseOemStrings(raw: Uint8Array): string[] {
  const [type, length = 0] = raw;
  if (type !== 11 || length < 5) return [];
  return Buffer.from(raw.subarray(length)).toString('utf8').split('\0').filter(Boolean);
}

/** Why the boot's own address may not be used. */
export function bootFault(address: string, own: readonly string[]): string | undefined {
  const plain = address.replace(/^::ffff:(?=\d+\.)/i, '');
  const isLoopback = plain.startsWith('127.') || plain === '::1' || plain === '0.0.0.0' || plain === '::';
  return isLoopback || own.includes(plain) ? `${address} is this appliance itself. Give the address of another machine.` : undefined;
}
