/**
 * Snapshots as tests see them: what each holds, byte for byte, and whether the chain on disk is what the database says, down to the last
 * file, its metadata and its header.
 */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { open, readFile, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { parseQcow2Header } from '../../appliance/storage/qcow2-header.ts';
import { parseVolumeMetadata } from '../../appliance/storage/volume-metadata.ts';
import { chainOfDisk } from '../../appliance/vm/snapshot/live-chain.ts';
import { holderOf, previewHolder } from '../../appliance/vm/snapshot/snapshots.ts';
import type { ImageSource, ImageTool } from '../../appliance/world.ts';
import { type GuestWrite, simulatedWrite } from '../world/guest-disk.ts';
import type { SimulatedHost } from '../world/world.ts';
import { type Element, find, findAll, formatXml } from '../world/xml.ts';
import type { VmSite } from './vm-site.ts';

const signal = new AbortController().signal;
export const blockBytes = 65536;

interface Node {
  id: string;
  parentId: string | null;
  format: 'raw' | 'cow';
  sizeBytes: number;
  /** The image of a template. */
  isShared?: boolean;
}

/** Every volume of a disk as the database knows it, the leaf first, the image of a template last. */
function nodesOf({ storage }: VmSite, diskId: string): Node[] {
  const { volumeId, parentId, format, sizeBytes, baseDiskId } = storage.requireDisk(diskId);
  const base = baseDiskId === null ? [] : [storage.requireDisk(baseDiskId)].map((disk) => ({ id: disk.volumeId, parentId: null, format: disk.format, sizeBytes: disk.sizeBytes, isShared: true }));
  return [{ id: volumeId, parentId, format, sizeBytes }, ...storage.layers.of(diskId), ...base];
}

/** A volume with what lies below it, built from the rows alone. */
export function sourceOf(site: VmSite, diskId: string, volumeId: string): ImageSource {
  const node = nodesOf(site, diskId).find(({ id }) => id === volumeId);
  if (!node) throw new Error(`no volume ${volumeId}`);
  const below = node.parentId === null ? undefined : sourceOf(site, diskId, node.parentId);
  return { path: site.storage.layers.path(diskId, volumeId), format: node.format === 'raw' ? 'raw' : 'qcow2', ...(below && { below }) };
}

export async function hashOf(tool: ImageTool, image: ImageSource): Promise<string> {
  const flat = `${image.path}.flat`;
  await tool.convert(image, { path: flat, format: 'raw', preallocated: false }, { signal, progress: () => {} });
  const hash = createHash('sha256').update(await readFile(flat)).digest('hex').slice(0, 12);
  await rm(flat);
  return hash;
}

/** What the guest of a running VM has open where the database has something else; empty when all is well. */
export function liveFaults(site: VmSite, { libvirt }: SimulatedHost, vm: string): string[] {
  const domain = libvirt.domains().find(({ uuid }) => uuid === site.services.rows.require(vm).id);
  if (!domain) return [];
  return diskIds(site, vm).flatMap((disk) => {
    const wanted = pathsOf(sourceOf(site, disk, site.storage.requireDisk(disk).volumeId));
    const open = chainOfDisk(formatXml(domain.tree), disk)?.layers ?? [];
    return wanted.join() === open.join() && domain.state === 'running' ? [] : [`${disk}: ${domain.state}, QEMU has ${open.join(' on ')} instead of ${wanted.join(' on ')}`];
  });
}

const pathsOf = ({ path, below }: ImageSource): string[] => [path, ...(below ? pathsOf(below) : [])];

/** What a running guest writes goes to the layer that its QEMU has on top, whatever the database says, and also while no service is there. */
export async function runningGuestWrites({ libvirt }: SimulatedHost, { vm, disk, block, value }: { vm: string; disk: number; block: number; value: number }): Promise<void> {
  const domain = libvirt.domains().find(({ name }) => name === vm);
  const disks = domain ? findAll(domain.tree, 'devices/disk').filter((each) => each.attributes['device'] === 'disk') : [];
  const path = disks[disk] ? (find(disks[disk], 'source')?.attributes['file'] ?? '') : '';
  await simulatedWrite({ path, format: find(disks[disk] as Element, 'driver')?.attributes['type'] === 'raw' ? 'raw' : 'qcow2' }, block * blockBytes, blockBytes, value);
}

/** The guest writes into one block of a disk. */
export async function guestWrites(site: VmSite, { vm, disk, block, value, write }: { vm: string; disk: number; block: number; value: number; write: GuestWrite }): Promise<void> {
  const id = diskIds(site, vm)[disk];
  if (id) await write(sourceOf(site, id, site.storage.requireDisk(id).volumeId), block * blockBytes, blockBytes, value);
}

export const diskIds = ({ services }: VmSite, vm: string): string[] => services.rows.disks(services.rows.require(vm).id).map(({ diskId }) => diskId);

export interface Shown {
  /** What the VM has, by disk. */
  present: string[];
  /** What each snapshot that can be gone back to holds, by name. */
  snapshots: Record<string, string[]>;
  /** What an undo would bring back. */
  before: string[] | null;
}

/** Hashes of all that can be seen or gone back to. */
export async function shownBy(site: VmSite, vm: string, tool: ImageTool): Promise<Shown> {
  const { rows, snapshots } = site.services;
  const { id } = rows.require(vm);
  const disks = diskIds(site, vm);
  const hashOfHolder = (holder: string) => Promise.all(disks.map((disk) => {
    const layer = site.storage.layers.held(disk, holder);
    return layer ? hashOf(tool, sourceOf(site, disk, layer.id)) : 'none';
  }));
  const held: Record<string, string[]> = {};
  for (const row of snapshots.of(id).filter(({ state }) => state === 'ok')) held[row.name] = await hashOfHolder(holderOf(row.id));
  return {
    present: await Promise.all(disks.map((disk) => hashOf(tool, sourceOf(site, disk, site.storage.requireDisk(disk).volumeId)))),
    snapshots: held,
    before: snapshots.present(id).before ? await hashOfHolder(previewHolder(id)) : null,
  };
}

/** Where files, metadata or headers are not what the database says; empty when all is well. */
export async function chainFaults(site: VmSite, vm: string): Promise<string[]> {
  const faults: string[] = [];
  for (const disk of diskIds(site, vm)) {
    const nodes = nodesOf(site, disk);
    const folder = dirname(site.storage.layers.path(disk, nodes[0]?.id ?? ''));
    const wanted = nodes.flatMap(({ id }) => [id, `${id}.lease`, `${id}.meta`]).sort();
    const found = readdirSync(folder).sort();
    if (wanted.join() !== found.join()) faults.push(`${disk}: files ${found.join(' ')} instead of ${wanted.join(' ')}`);
    for (const node of nodes) faults.push(...(await volumeFaults(folder, node, node === nodes[0])).map((fault) => `${disk}/${node.id}: ${fault}`));
  }
  return faults;
}

async function volumeFaults(folder: string, node: Node, isLeaf: boolean): Promise<string[]> {
  const parsed = parseVolumeMetadata(node.id, readFileSync(join(folder, `${node.id}.meta`), 'utf8'));
  if (!parsed.isOk) return [`its metadata cannot be read: ${parsed.reason}`];
  const { volume } = parsed;
  const faults: string[] = [];
  if (!volume.isLegal) faults.push('it is illegal');
  if ((volume.parentId ?? null) !== node.parentId) faults.push(`its metadata names ${volume.parentId} below, not ${node.parentId}`);
  if (volume.role !== (node.isShared ? 'shared' : isLeaf ? 'leaf' : 'internal')) faults.push(`it is called ${volume.role}`);
  if (volume.sizeBytes !== node.sizeBytes) faults.push(`its metadata says ${volume.sizeBytes} bytes, not ${node.sizeBytes}`);
  const named = node.format === 'cow' ? (await headerName(join(folder, node.id))) : null;
  // QEMU writes the whole path where we write a name.
  if ((named && basename(named)) !== node.parentId) faults.push(`its header names ${named} below, not ${node.parentId}`);
  return faults;
}

async function headerName(path: string): Promise<string | null> {
  await using file = await open(path, 'r');
  const { buffer } = await file.read(Buffer.alloc(65536), 0, 65536, 0);
  return parseQcow2Header(buffer)?.backingFile ?? null;
}
