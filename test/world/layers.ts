/**
 * The layers of a simulated guest's disks, as libvirt 9.0 with QEMU 7.2 puts them on top of each other and merges them. The live definition
 * names the whole chain; the content is copied between the files of the simulated image tool, all at one instant, so that a power cut finds it
 * before or after.
 *
 *   merge below the top   block-job completed, chain shorter
 *   merge of the top      block-job ready, mirror in the definition; then ended: completed, the guest on the lower layer; or cancelled
 */
import { closeSync, existsSync, fsyncSync, openSync, readSync, statSync, writeSync } from 'node:fs';
import { headerBytes } from '../../appliance/storage/image-header.ts';
import { type Hypervisor, HypervisorError } from '../../appliance/world.ts';
import { aliasOf, devicesOf, type SimulatedDomain, sourceOf, targetOf } from './guest.ts';
import { qcow2Header } from './image-bytes.ts';
import { holdAndWrite } from './memory.ts';
import { refuse, type SimulatedLibvirt } from './libvirt.ts';
import { type Element, find } from './xml.ts';

export interface MergeJob {
  top: string;
  base: string;
  isTopmost: boolean;
}

type LayerCalls = Pick<Hypervisor, 'stackLayers' | 'mergeLayer' | 'mergeProgress' | 'endMerge'>;

export function createLayerCalls(libvirt: SimulatedLibvirt, answering: (uuid: string) => SimulatedDomain): LayerCalls {
  return {
    async stackLayers(uuid, layers, { isQuiet, memoryPath }) {
      const domain = answering(uuid);
      for (const path of Object.values(layers)) if (!existsSync(path)) throw refuse.other(`Cannot access storage file '${path}': No such file or directory`, 38);
      if (isQuiet) refuseUnquiet(libvirt, domain);
      const stackAll = () => { for (const [target, path] of Object.entries(layers)) stack(diskOf(domain, target), path); };
      if (memoryPath === undefined) return stackAll();
      const wasRunning = domain.state === 'running';
      await holdAndWrite(libvirt, domain, { path: memoryPath, reason: 'snapshot', done: stackAll });
      if (wasRunning) libvirt.run(domain, 'unpaused');
    },
    async mergeLayer(uuid, target, { top, base, isTopmost }) {
      const domain = answering(uuid);
      const disk = diskOf(domain, target);
      if (domain.jobs.has(target)) throw refuse.other(`block copy still active: disk '${target}' already in active block job`, 83);
      for (const path of [top, base]) if (!layerOf(disk, path)) throw refuse.other(`invalid argument: could not find image '${path}' in chain for '${sourceOf(disk)}'`, 8);
      const job = { top, base, isTopmost };
      domain.jobs.set(target, job);
      libvirt.later(domain, libvirt.behaviourOf(domain).mergeMs, () => { if (domain.jobs.get(target) === job) arrive(libvirt, domain, { target, disk, job }); });
    },
    async mergeProgress(uuid, target) {
      const domain = answering(uuid);
      diskOf(domain, target);
      return domain.jobs.has(target) ? { doneBytes: 1, totalBytes: 2 } : null;
    },
    async endMerge(uuid, target, how) {
      const domain = answering(uuid);
      const disk = diskOf(domain, target);
      const job = domain.jobs.get(target);
      if (!job) throw refuse.other(`invalid argument: disk ${target} does not have an active block job`, 8);
      if (how === 'pivot' && !isReady(disk)) throw new HypervisorError(`block copy still active: disk '${target}' not ready for pivot yet`, 83, 'other');
      if (how === 'pivot') takeOut(disk, job);
      finish(libvirt, domain, { target, disk, status: how === 'pivot' ? 'completed' : 'cancelled' });
    },
  };
}

/** The agent stills a guest's file systems, or says why not. */
function refuseUnquiet(libvirt: SimulatedLibvirt, domain: SimulatedDomain): void {
  if (domain.state !== 'running') throw refuse.invalid('domain is not running');
  if (!domain.hasAgent) throw refuse.other('Guest agent is not responding: QEMU guest agent is not connected', 86);
  if (!libvirt.behaviourOf(domain).canBeStilled) throw refuse.other(`internal error: unable to execute QEMU agent command 'guest-fsfreeze-freeze': failed to freeze /: Device or resource busy`, 1);
}

function diskOf(domain: SimulatedDomain, target: string): Element {
  const disk = devicesOf(domain.tree).find((device) => device.name === 'disk' && targetOf(device) === target);
  if (!disk) throw refuse.other(`invalid argument: invalid path: ${target}`, 8);
  return disk;
}

const isReady = (disk: Element) => find(disk, 'mirror')?.attributes['ready'] === 'yes';

const formatOf = (layer: Element) => find(layer, 'format')?.attributes['type'] ?? find(layer, 'driver')?.attributes['type'] ?? 'raw';

/** The element whose source is that path: the disk itself, or what lies below. */
function layerOf(layer: Element, path: string): Element | undefined {
  if (sourceOf(layer) === path) return layer;
  const below = find(layer, 'backingStore');
  return below && layerOf(below, path);
}

function replaceChild(parent: Element, name: string, child: Element | undefined): void {
  parent.children = [...parent.children.filter((each) => each.name !== name), ...(child ? [child] : [])];
}

const element = (name: string, attributes: Record<string, string>, ...children: Element[]): Element => ({ name, attributes, children, text: '' });

function stack(disk: Element, path: string): void {
  const below = find(disk, 'backingStore');
  const old = element('backingStore', { type: 'file' }, element('format', { type: formatOf(disk) }), element('source', { file: sourceOf(disk) }), ...(below ? [below] : []));
  setSource(disk, { path, format: 'qcow2' });
  replaceChild(disk, 'backingStore', old);
}

function setSource(disk: Element, { path, format }: { path: string; format: string }): void {
  const driver = find(disk, 'driver');
  if (driver) driver.attributes['type'] = format;
  replaceChild(disk, 'source', element('source', { file: path }));
}

interface At {
  target: string;
  disk: Element;
}

/** All is copied. */
function arrive(libvirt: SimulatedLibvirt, domain: SimulatedDomain, { target, disk, job }: At & { job: MergeJob }): void {
  if (!job.isTopmost) {
    takeOut(disk, job);
    finish(libvirt, domain, { target, disk, status: 'completed' });
    return;
  }
  replaceChild(disk, 'mirror', element('mirror', { type: 'file', job: 'active-commit', ready: 'yes' }, element('source', { file: job.base })));
  libvirt.emit({ type: 'block-job', uuid: domain.uuid, target, status: 'ready' });
}

function finish(libvirt: SimulatedLibvirt, domain: SimulatedDomain, { target, disk, status }: At & { status: 'completed' | 'cancelled' }): void {
  replaceChild(disk, 'mirror', undefined);
  domain.jobs.delete(target);
  libvirt.emit({ type: 'block-job', uuid: domain.uuid, target, status });
}

/** The lower layer has what the upper one held, and takes its place. */
function takeOut(disk: Element, { top, base }: MergeJob): void {
  const [upper, lower] = [layerOf(disk, top), layerOf(disk, base)];
  if (!upper || !lower) throw new Error(`the chain of ${aliasOf(disk)} lacks ${top} or ${base}`);
  const format = formatOf(lower);
  copyLayer(top, { path: base, format });
  if (upper === disk) {
    setSource(disk, { path: base, format });
    replaceChild(disk, 'backingStore', find(lower, 'backingStore'));
    return;
  }
  const above = parentOf(disk, upper);
  replaceChild(above, 'backingStore', lower);
  nameBelow(sourceOf(above), base);
}

function parentOf(layer: Element, child: Element): Element {
  const below = find(layer, 'backingStore');
  if (!below) throw new Error('no such layer');
  return below === child ? layer : parentOf(below, child);
}

const blockBytes = 4096;

/** What the upper layer holds itself: blocks that are not all zero, as in image-tool.ts. */
function copyLayer(top: string, base: { path: string; format: string }): void {
  const [from, to] = [openSync(top, 'r'), openSync(base.path, 'r+')];
  const start = base.format === 'raw' ? 0 : headerBytes;
  const block = Buffer.alloc(blockBytes);
  for (let at = 0; at < statSync(top).size - headerBytes; at += blockBytes) {
    const length = readSync(from, block, 0, blockBytes, headerBytes + at);
    if (block.subarray(0, length).some((byte) => byte !== 0)) writeSync(to, block, 0, length, start + at);
  }
  fsyncSync(to);
  closeSync(from);
  closeSync(to);
}

/** QEMU names what lies below anew, by its whole path. */
function nameBelow(path: string, below: string): void {
  const file = openSync(path, 'r+');
  const header = Buffer.alloc(32);
  readSync(file, header, 0, 32, 0);
  writeSync(file, qcow2Header({ virtualSizeBytes: header.readBigUInt64BE(24), backingFile: below }), 0, undefined, 0);
  closeSync(file);
}
