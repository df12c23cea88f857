/**
 * The machine as the World sees it: what it is made of, and how busy it is.
 *
 * systeminformation knows hardware of many makers, but starts a dozen processes for an answer; so it is asked only for what
 * does not change by itself, one question at a time, with a deadline, and the answer is kept for ten minutes, or until a disk or a stick comes or goes. What changes (cables, addresses, load), and
 * maker and model, is read from /proc and /sys directly: microseconds, no process. A question that fails leaves its fields empty; the machine is still told.
 */
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { hostname, networkInterfaces, release } from 'node:os';
import { join } from 'node:path';
import hardware from 'systeminformation';
import { type Clock, deadline, systemClock } from '../core/clock.ts';
import type { Machine, MachineFacts, MachineLoad } from '../world.ts';
import { readMemoryNodes } from './memory-nodes.ts';
import { readDeviceTraits } from './device-traits.ts';
import { osNameIn, parseCounters, parseProcessors, parseRoutes, parseUsedMemory, parseVirtualization } from './proc.ts';

const keptMs = 600_000;
const questionMs = 20_000;

type Hardware = Pick<MachineFacts, 'os' | 'manufacturer' | 'model' | 'serial' | 'cpu' | 'memoryBytes' | 'disks'>;

/** `root` is where /proc, /sys and /etc are found: another folder in tests. */
export function createMachine({ root = '/', clock = systemClock }: { root?: string; clock?: Clock } = {}): Machine {
  const read = (path: string) => readFile(join(root, path), 'utf8').catch(() => '');
  let kept: { at: number; devices: string; hardware: Promise<Hardware> } | undefined;
  let before = { busy: 0, total: 0 };
  return {
    async facts() {
      const devices = await blockDevices(root);
      if (kept?.devices !== devices || clock.now() - kept.at > keptMs) kept = { at: clock.now(), devices, hardware: readHardware(read) };
      return {
        ...(await kept.hardware), hostname: hostname(), kernel: release(), nics: await readNics(root), routes: parseRoutes(await read('proc/net/route')),
        isKvmLoaded: ['kvm_intel', 'kvm_amd'].some((module) => existsSync(join(root, 'sys/module', module))),
      };
    },
    memoryNodes: () => readMemoryNodes(root),
    deviceTraits: () => readDeviceTraits(root),
    async load() {
      const [stat, meminfo, uptime, devices, physical] = await Promise.all([read('proc/stat'), read('proc/meminfo'), read('proc/uptime'), read('proc/net/dev'), physicalNics(root)]);
      const now = parseProcessors(stat);
      const span = { busy: now.busy - before.busy, total: now.total - before.total };
      before = now;
      return {
        cpuFraction: span.total > 0 ? Math.min(1, Math.max(0, span.busy / span.total)) : 0,
        ...parseUsedMemory(meminfo), ...parseCounters(devices, physical), uptimeSeconds: Number.parseFloat(uptime) || 0,
      } satisfies MachineLoad;
    },
  };
}

async function readHardware(read: (path: string) => Promise<string>): Promise<Hardware> {
  const cpuinfo = await read('proc/cpuinfo');
  const dmi = async (name: string) => known(await read(`sys/class/dmi/id/${name}`));
  const cpu = await answered(() => hardware.cpu());
  const disks = await answered(() => hardware.diskLayout());
  return {
    os: osNameIn(await read('etc/os-release')),
    manufacturer: await dmi('sys_vendor'), model: await dmi('product_name'), serial: await dmi('product_serial'),
    cpu: {
      brand: /^model name\s*:\s*(.+)$/m.exec(cpuinfo)?.[1] ?? [cpu?.manufacturer, cpu?.brand].filter(Boolean).join(' '),
      sockets: cpu?.processors || 1, cores: cpu?.physicalCores || 1, threads: cpu?.cores || 1,
      virtualization: parseVirtualization(cpuinfo),
    },
    memoryBytes: parseUsedMemory(await read('proc/meminfo')).memoryTotalBytes,
    disks: (disks ?? []).map(({ device, name, size, type }) => ({ name: device.replace('/dev/', ''), model: name, sizeBytes: size, kind: type })),
  };
}

/** Names of what is there now, but for devices that programs make. */
const blockDevices = async (root: string) => (await readdir(join(root, 'sys/block')).catch(() => [])).filter((name) => !/^(loop|ram|zram|dm-|md|nbd)\d/.test(name)).sort().join(' ');

/** The answer, or nothing when it failed or did not come in time. */
async function answered<T>(ask: () => Promise<T>): Promise<T | undefined> {
  const late = deadline(questionMs);
  return Promise.race([ask(), new Promise<undefined>((resolve) => late.addEventListener('abort', () => resolve(undefined), { once: true }))]).catch(() => undefined);
}

/** What firmware writes where it knows nothing. */
const known = (text: string) => (/^(-|none|not specified|default string|to be filled.*|system (serial number|product name|manufacturer)|0+)$/i.test(text.trim()) ? '' : text.trim());

async function readNics(root: string): Promise<MachineFacts['nics']> {
  const folder = join(root, 'sys/class/net');
  const names = (await readdir(folder).catch(() => [])).filter((name) => name !== 'lo' && !/^(vnet|tap|ifb)\d/.test(name));
  const addresses = networkInterfaces();
  return Promise.all(names.sort().map(async (name) => {
    const read = async (file: string) => (await readFile(join(folder, name, file), 'utf8').catch(() => '')).trim();
    return {
      name, mac: await read('address'), speedMbps: Math.max(0, Number(await read('speed')) || 0), isUp: (await read('operstate')) === 'up',
      isBridge: existsSync(join(folder, name, 'bridge')), addresses: (addresses[name] ?? []).flatMap(({ cidr }) => cidr ?? []),
    };
  }));
}

/** Names of the NICs that are hardware; where there is none (a container), of all but loopback. */
async function physicalNics(root: string): Promise<Set<string>> {
  const folder = join(root, 'sys/class/net');
  const names = (await readdir(folder).catch(() => [])).filter((name) => name !== 'lo');
  const physical = names.filter((name) => existsSync(join(folder, name, 'device')));
  return new Set(physical.length > 0 ? physical : names);
}
