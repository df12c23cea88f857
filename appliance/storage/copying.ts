/**
 * What is being copied stays as it is until the copy is whole. A copy outlives the service, and its task may get its turn after another one that would
 * merge or delete what it reads; so whoever begins such a thing asks here first.
 */
import { Problem } from '../core/problem.ts';
import type { DiskRow } from './disks.ts';
import type { StorageServices } from './services.ts';

/** Throws `in-use` while a copy of the disk, or of one of its layers, is being made. */
export function requireNotCopied({ tasks }: Pick<StorageServices, 'tasks'>, { id }: Pick<DiskRow, 'id'>, what: string): void {
  const isCopy = ({ kind, input }: { kind: string; input: unknown }) => kind === 'disk.copy' && (input as { from: string }).from === id; // the task's own schema
  if (tasks.list({ limit: 1_000, isActive: true, about: id }).some(isCopy)) throw new Problem('in-use', `${what} is being copied. Wait until that has ended.`);
}
