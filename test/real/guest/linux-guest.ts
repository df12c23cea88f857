/**
 * A small Linux on a CD-ROM that tells over its first serial port what hardware it sees, and is a shell there afterwards: build-linux
 * says what is in it. Needs BIOS, 128 MiB and a CD-ROM drive; nothing is installed. Called by the tests in test/real.
 */
import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { checkout } from '../rack-host.ts';
import { build, cached } from './cache.ts';

/** Builds it the first time, a minute or two. */
export function linuxIso(): Promise<string> {
  const folder = join(checkout, 'test/real/guest');
  const recipe = ['build-linux', 'linux-init'].map((name) => readFileSync(join(folder, name), 'utf8'));
  const release = readFileSync('/etc/os-release', 'utf8');
  return cached({ name: 'linux', suffix: '.iso', ingredients: [...recipe, release] }, async (path) => {
    await build([join(folder, 'build-linux'), path, `${path}.work`], 500_000);
  });
}

/** The same Linux for UEFI secure boot, with Debian's signatures; `spoilt` has a kernel that does not fit its own. Needs 512 MiB. */
export async function signedLinuxIso(how: 'whole' | 'spoilt'): Promise<string> {
  const recipe = join(checkout, 'test/real/guest/build-signed');
  const linux = await linuxIso();
  return cached({ name: `signed-${how}`, suffix: '.iso', ingredients: [readFileSync(recipe, 'utf8'), basename(linux)] }, async (path) => {
    await build([recipe, linux, path, `${path}.work`, how], 120_000);
  });
}

/** What the guest has told. */
export interface GuestReport {
  /** `0000:00:1f.2` to `8086:2922`. */
  pci: Map<string, string>;
  disks: { name: string; serial: string; sizeBytes: number; discards: boolean; at: string }[];
  /** By MAC address. */
  nics: Map<string, { driver: string; at: string }>;
  /** `1d6b:0002`, one for each device, hubs of the controllers among them. */
  usb: string[];
  channels: string[];
  /** Every other line, by its first word. */
  facts: Map<string, string>;
}

/** The last whole report on a serial line; `undefined` before there is one. */
export function readReport(serial: string): GuestReport | undefined {
  const text = /begin report\r?\n((?:(?!begin report)[^])*?)end report/g;
  const last = [...serial.matchAll(text)].at(-1)?.[1];
  if (last === undefined) return undefined;
  const report: GuestReport = { pci: new Map(), disks: [], nics: new Map(), usb: [], channels: [], facts: new Map() };
  for (const line of last.split(/\r?\n/)) take(report, line.trim());
  return report;
}

function take(report: GuestReport, line: string): void {
  const [what = '', name = '', ...rest] = line.split(' ');
  const value = (key: string) => rest.find((word) => word.startsWith(`${key}=`))?.slice(key.length + 1) ?? '';
  if (what === 'pci') report.pci.set(name, rest[0] ?? '');
  else if (what === 'disk') report.disks.push({ name, serial: value('serial'), sizeBytes: Number(value('size')), discards: Number(value('discard')) > 0, at: value('at') });
  else if (what === 'nic') report.nics.set(name, { driver: value('driver'), at: value('at') });
  else if (what === 'usb') report.usb.push(rest[0] ?? '');
  else if (what === 'channel') report.channels.push(name);
  else if (what !== '') report.facts.set(what, [name, ...rest].join(' '));
}
