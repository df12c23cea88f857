/** What the kernel writes in /proc and the distribution in /etc/os-release, as figures. Pure; unknown text gives zeros. */
import { KiB } from '../core/units.ts';

/** `vmx` or `svm` among the flags of the first processor: what 10-08 asks for. */
export function parseVirtualization(cpuinfo: string): '' | 'vmx' | 'svm' {
  const flags = new Set(/^flags\s*:(.*)$/m.exec(cpuinfo)?.[1]?.trim().split(/\s+/) ?? []);
  return flags.has('vmx') ? 'vmx' : flags.has('svm') ? 'svm' : '';
}

export function osNameIn(osRelease: string): string {
  return /^PRETTY_NAME="?([^"\n]*)"?$/m.exec(osRelease)?.[1] ?? 'Linux';
}

/** Clock ticks since boot of all processors: user nice system idle iowait irq softirq steal; guest time is within user. */
export function parseProcessors(stat: string): { busy: number; total: number } {
  const ticks = (/^cpu\s+(.*)$/m.exec(stat)?.[1] ?? '').split(' ').map(Number).slice(0, 8);
  const total = ticks.reduce((sum, count) => sum + count, 0);
  return { total, busy: total - (ticks[3] ?? 0) - (ticks[4] ?? 0) };
}

/** Used is what a new program could not get: total less available. */
export function parseUsedMemory(meminfo: string): { memoryUsedBytes: number; memoryTotalBytes: number } {
  const bytes = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(meminfo)?.[1] ?? 0) * KiB;
  return { memoryTotalBytes: bytes('MemTotal'), memoryUsedBytes: bytes('MemTotal') - bytes('MemAvailable') };
}

/** Bytes since boot over the NICs of those names. */
export function parseCounters(netDev: string, names: ReadonlySet<string>): { receivedBytes: number; sentBytes: number } {
  const sum = { receivedBytes: 0, sentBytes: 0 };
  for (const [, name = '', counters = ''] of netDev.matchAll(/^\s*([^\s:]+):\s*(.*)$/gm)) {
    if (!names.has(name)) continue;
    const figures = counters.split(/\s+/).map(Number);
    sum.receivedBytes += figures[0] ?? 0;
    sum.sentBytes += figures[8] ?? 0;
  }
  return sum;
}

/** IPv4 networks of /proc/net/route but the default, whose destination and mask stand there in hexadecimal, last byte first. */
export function parseRoutes(table: string): string[] {
  const routes = [...table.matchAll(/^\S+\s+([0-9A-F]{8})\s+[0-9A-F]{8}(?:\s+\S+){4}\s+([0-9A-F]{8})\b/gm)];
  return [...new Set(routes.filter(([, , mask]) => mask !== '00000000').map(([, address = '', mask = '']) => `${bytesOf(address).join('.')}/${lengthOf(mask)}`))];
}

const bytesOf = (hex: string) => [6, 4, 2, 0].map((at) => Number.parseInt(hex.slice(at, at + 2), 16));
const lengthOf = (mask: string) => bytesOf(mask).reduce((length, byte) => length + byte.toString(2).replaceAll('0', '').length, 0);
