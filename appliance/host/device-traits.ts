/**
 * Which of its devices the host itself works with: the disks of what is mounted or part of a volume, ports with an address or in a bridge,
 * the screen of its console. Read from /proc and /sys, where the place of each leads through all that it hangs on.
 */
import { existsSync } from 'node:fs';
import { readdir, readFile, realpath } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { basename, join } from 'node:path';
import type { DeviceTraits, HeldDevice } from '../world.ts';

/** `root` is where /proc and /sys are found: another folder in tests. */
export async function readDeviceTraits(root = '/', addresses: typeof networkInterfaces = networkInterfaces): Promise<DeviceTraits> {
  const held = [...(await heldDisks(root)), ...(await heldPorts(root, addresses())), ...(await heldScreens(root))];
  return { held: held.map((device) => ({ ...device, path: withoutRoot(root, device.path) })), usbSerials: await readSerials(root) };
}

const list = (folder: string) => readdir(folder).catch(() => []);
const text = (path: string) => readFile(path, 'utf8').then((content) => content.trim(), () => '');
/** As libvirt writes it. */
const withoutRoot = (root: string, path: string) => (root === '/' ? path : path.slice(root.length));

/** Mounted, swapped to, or a part of something: LVM, RAID, encryption. */
async function heldDisks(root: string): Promise<HeldDevice[]> {
  const blocks = join(root, 'sys/class/block');
  const used = await usedBlocks(root);
  const held: HeldDevice[] = [];
  for (const name of await list(blocks)) {
    const isHeld = used.has(name) || used.has(await text(join(blocks, name, 'dev'))) || (await list(join(blocks, name, 'holders'))).length > 0;
    const path = isHeld ? await realpath(join(blocks, name)).catch(() => undefined) : undefined;
    if (path !== undefined && !path.includes('/devices/virtual/')) held.push({ path, by: 'disk', name });
  }
  return held;
}

/** Numbers (`8:1`) and names of what is mounted or swapped to, as the first process of the system sees it. */
async function usedBlocks(root: string): Promise<Set<string>> {
  const mounts = (await text(join(root, 'proc/1/mountinfo'))) || (await text(join(root, 'proc/self/mountinfo')));
  const swaps = await text(join(root, 'proc/swaps'));
  const mounted = mounts.split('\n').flatMap((line) => [line.split(' ')[2] ?? '', sourceOf(line)]);
  const files = [...mounted.filter((name) => name.startsWith('/dev/')), ...swaps.split('\n').map((line) => line.split(/\s/)[0] ?? '').filter((name) => name.startsWith('/dev/'))];
  const names = await Promise.all(files.map(async (file) => basename(await realpath(join(root, file)).catch(() => file))));
  return new Set([...mounted.filter((number) => /^[1-9]\d*:\d+$/.test(number)), ...names]);
}

/** File systems over several devices have no number of their own, and name one of them after the dash. */
const sourceOf = (mount: string) => mount.split(' - ')[1]?.split(' ')[1] ?? '';

type Interfaces = ReturnType<typeof networkInterfaces>;

/** A cable alone does not make a port the host's: every port asks for an address. */
async function heldPorts(root: string, addresses: Interfaces): Promise<HeldDevice[]> {
  const folder = join(root, 'sys/class/net');
  const held: HeldDevice[] = [];
  for (const name of await list(folder)) {
    if (!existsSync(join(folder, name, 'device'))) continue;
    const hasAddress = (addresses[name] ?? []).some(({ address }) => !/^(fe80|169\.254\.)/i.test(address));
    const isPart = (await list(join(folder, name))).some((entry) => entry === 'master' || entry.startsWith('upper_'));
    if (hasAddress || isPart) held.push({ path: await realpath(join(folder, name)), by: 'network', name });
  }
  return held;
}

/** The card that the firmware has begun to show on. */
async function heldScreens(root: string): Promise<HeldDevice[]> {
  const folder = join(root, 'sys/bus/pci/devices');
  const held: HeldDevice[] = [];
  for (const name of await list(folder)) {
    if ((await text(join(folder, name, 'boot_vga'))) === '1') held.push({ path: await realpath(join(folder, name)), by: 'screen', name });
  }
  return held;
}

async function readSerials(root: string): Promise<Record<string, string>> {
  const folder = join(root, 'sys/bus/usb/devices');
  const serials: Record<string, string> = {};
  for (const name of await list(folder)) {
    const serial = await text(join(folder, name, 'serial'));
    if (serial) serials[withoutRoot(root, await realpath(join(folder, name)))] = serial;
  }
  return serials;
}
