/** The layers that QEMU has open for a disk, as libvirt's live definition names them. Pure. */
import { deviceAlias } from '../definition/device-xml.ts';
import { type Element, find, findAll, parseXml } from '../definition/xml.ts';

export interface LiveChain {
  /** Such as `vda`. */
  target: string;
  /** Paths, what the guest writes to first. */
  layers: string[];
  /** The topmost layer is being merged into `into`; a merge further down is not named. */
  merge?: { into: string; isReady: boolean };
}

/** `undefined` when the guest does not have that disk. */
export function chainOfDisk(liveXml: string, diskId: string): LiveChain | undefined {
  const disk = findAll(parseXml(liveXml), 'devices', 'disk').find((each) => find(each, 'alias')?.attributes.name === deviceAlias(diskId));
  if (!disk) return undefined;
  const mirror = find(disk, 'mirror');
  return {
    target: find(disk, 'target')?.attributes.dev ?? '', layers: layersOf(disk),
    ...(mirror && { merge: { into: fileOf(mirror), isReady: mirror.attributes.ready === 'yes' } }),
  };
}

const fileOf = (layer: Element) => find(layer, 'source')?.attributes.file ?? '';

function layersOf(layer: Element): string[] {
  const [path, below] = [fileOf(layer), find(layer, 'backingStore')];
  return path === '' ? [] : [path, ...(below ? layersOf(below) : [])];
}

/**
 * Where a merge of `from` into `into` stands, as the guest has it: `closed`: the guest has neither open. `merged`: it goes on without `from`. `below`,
 * `topmost`: it has both, and `from` is further down or what it writes to.
 */
export function mergeStanding({ layers }: LiveChain, { from, into }: { from: string; into: string }): 'closed' | 'merged' | 'below' | 'topmost' {
  if (!layers.includes(from)) return layers.includes(into) ? 'merged' : 'closed';
  return layers[0] === from ? 'topmost' : 'below';
}
