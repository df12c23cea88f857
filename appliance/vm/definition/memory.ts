/**
 * How the memory of a VM lies in that of its host: pages that are larger, nodes that a guest sees, nodes of the host that it keeps to. Pure.
 *
 * A host with several processors has memory near each of them, a node. A guest that knows which of its memory is near which of its
 * processors can do the same as the host's own programs.
 */
import * as z from 'zod';
import { GiB, MiB } from '../../core/units.ts';
import { oneOf } from './choice.ts';

export const hugePageSizes = { none: 'None', '2M': '2 MiB', '1G': '1 GiB' } as const;
export const numaBindings = { none: 'Anywhere', preferred: 'Near, if there is room', strict: 'Near, or not at all' } as const;

export const memoryShape = {
  hugePages: oneOf(hugePageSizes, { label: 'Huge pages', help: 'For large guests: the host looks up its memory faster. It must have reserved that many; they are neither lent nor swapped.' }),
  numaNodes: z.int().min(1).max(8).meta({ label: 'Memory nodes', help: 'Processors and memory are spread evenly over so many NUMA nodes. Worth it for a guest that is larger than one node of the host.' }),
  numaBinding: oneOf(numaBindings, { label: 'Place of its memory', help: 'Where the host has several NUMA nodes: each node of the guest keeps to one of the host.' }),
};

type Values<S extends Record<string, z.ZodType>> = { [K in keyof S]: z.output<S[K]> };
export type MemoryLayout = Values<typeof memoryShape>;
export const plainLayout: MemoryLayout = { hugePages: 'none', numaNodes: 1, numaBinding: 'none' };

const pageBytesOf = { none: 0, '2M': 2 * MiB, '1G': GiB } as const satisfies Record<MemoryLayout['hugePages'], number>;
/** Of the pages that it asks for; 0 for the host's usual ones. */
export const pageBytes = ({ hugePages }: Pick<MemoryLayout, 'hugePages'>): number => pageBytesOf[hugePages];

interface Sized extends MemoryLayout {
  vcpus: number;
  memoryBytes: number;
  maxVcpus: number | null;
  maxMemoryBytes: number | null;
  guaranteedBytes: number | null;
}

export interface MemoryCell {
  /** Its processors: from, and up to and with. */
  firstVcpu: number;
  lastVcpu: number;
  memoryBytes: number;
  /** The node of the host that it keeps to; absent where it keeps to none. */
  hostNode?: number;
}

/** The nodes of a guest. `hostNodes` are the ids of the host's; nodes of the guest are dealt out over them. */
export function memoryCells({ vcpus, maxVcpus, memoryBytes, numaNodes, numaBinding }: Omit<Sized, 'maxMemoryBytes' | 'guaranteedBytes' | 'hugePages'>, hostNodes: readonly number[]): MemoryCell[] {
  const each = (maxVcpus ?? vcpus) / numaNodes;
  return Array.from({ length: numaNodes }, (_none, index) => {
    const hostNode = numaBinding === 'none' ? undefined : hostNodes[index % hostNodes.length];
    return { firstVcpu: index * each, lastVcpu: (index + 1) * each - 1, memoryBytes: memoryBytes / numaNodes, ...(hostNode !== undefined && { hostNode }) };
  });
}

/** What of it does not fit together. */
export function layoutFaults(vm: Sized): { path: string; message: string }[] {
  const { numaNodes, memoryBytes, maxMemoryBytes, guaranteedBytes } = vm;
  const vcpus = vm.maxVcpus ?? vm.vcpus;
  const unit = Math.max(pageBytes(vm), MiB);
  const isHuge = vm.hugePages !== 'none';
  const label = hugePageSizes[vm.hugePages];
  return [
    ...(vcpus % numaNodes === 0 ? [] : [{ path: 'numaNodes', message: `${vcpus} processors cannot be spread evenly over ${numaNodes} memory nodes.` }]),
    ...(memoryBytes % (numaNodes * unit) === 0 ? [] : [isHuge
      ? { path: 'hugePages', message: `Each memory node must be whole pages of ${label}. Change the memory, or choose other pages.` }
      : { path: 'numaNodes', message: `Each of ${numaNodes} memory nodes must have whole MiB. Change the memory, or the number of nodes.` }]),
    ...(isHuge && guaranteedBytes !== null ? [{ path: 'guaranteedBytes', message: 'Huge pages are never lent, so all of its memory is its own. Leave the guaranteed memory empty.' }] : []),
    ...(vm.hugePages === '1G' && maxMemoryBytes !== null ? [{ path: 'maxMemoryBytes', message: 'Memory comes in modules of 128 MiB, which pages of 1 GiB cannot make up. Choose pages of 2 MiB, or leave this empty.' }] : []),
  ];
}

// ------------------------------------------------------------------------------------------------ what the host must have

export interface HostNode {
  id: number;
  memoryBytes: number;
  pages: readonly { sizeBytes: number; total: number; free: number }[];
}

/** Why a host with these nodes cannot run it; empty when it can. */
export function hostLacks(vm: Sized & { name: string }, nodes: readonly HostNode[]): string {
  const cells = memoryCells(vm, nodes.map(({ id }) => id));
  const isStrict = vm.numaBinding === 'strict';
  for (const node of isStrict ? nodes : []) {
    const bytes = cells.filter(({ hostNode }) => hostNode === node.id).reduce((sum, cell) => sum + cell.memoryBytes, 0);
    if (bytes > node.memoryBytes) return `The memory node ${node.id} of this host is smaller than what ${vm.name} is to have there. Spread it over more memory nodes, or let its memory lie anywhere.`;
    const lack = lackOfPages(vm, bytes, [node]);
    if (lack !== '') return `${lack} All must be on memory node ${node.id}.`;
  }
  return lackOfPages(vm, vm.memoryBytes, nodes);
}

function lackOfPages(vm: Pick<Sized, 'hugePages'> & { name: string }, bytes: number, nodes: readonly HostNode[]): string {
  const sizeBytes = pageBytes(vm);
  if (sizeBytes === 0) return '';
  const sum = (of: 'total' | 'free') => nodes.flatMap(({ pages }) => pages).filter((page) => page.sizeBytes === sizeBytes).reduce((total, page) => total + page[of], 0);
  const needed = bytes / sizeBytes;
  if (needed <= sum('free')) return '';
  return `${vm.name} needs ${needed} huge pages of ${hugePageSizes[vm.hugePages]}; this host has ${sum('free')} free of ${sum('total')}. Reserve more, or let it use the usual pages.`;
}
