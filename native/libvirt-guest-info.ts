/** What the guest agent tells, from libvirt's own names (virDomainGetGuestInfo) to the World's. What an agent does not tell is empty. */
import type { GuestInfo } from '../appliance/world.ts';

type Raw = Record<string, unknown>;

export function toGuestInfo(raw: Raw): GuestInfo {
  const text = (name: string) => String(raw[name] ?? '');
  const number = (name: string) => Number(raw[name] ?? 0);
  const items = <T>(group: string, read: (at: string) => T): T[] => Array.from({ length: number(`${group}.count`) }, (_none, index) => read(`${group}.${index}`));
  return {
    hostname: text('hostname'),
    os: text('os.pretty-name') || text('os.name'),
    kernel: text('os.kernel-release'),
    timeZone: text('timezone.name'),
    users: items('user', (at) => ({ name: text(`${at}.name`), since: number(`${at}.login-time`) || null })),
    filesystems: items('fs', (at) => ({
      mountPoint: text(`${at}.mountpoint`), type: text(`${at}.fstype`),
      totalBytes: raw[`${at}.total-bytes`] === undefined ? null : number(`${at}.total-bytes`),
      usedBytes: raw[`${at}.used-bytes`] === undefined ? null : number(`${at}.used-bytes`),
    })),
    interfaces: items('if', (at) => ({
      name: text(`${at}.name`), mac: text(`${at}.hwaddr`).toLowerCase(), addresses: items(`${at}.addr`, (address) => text(`${address}.addr`)),
    })),
  };
}
