/**
 * Holding a guest still for an instant, so that what it writes to changes together with what we have written down.
 *
 *   note in the fact -> suspend -> change -> note -> resume -> fact as before
 *
 * The note survives a kill: whoever comes next lets the guest go on, but only when libvirt's chain of each disk begins with the layer that the database
 * calls the leaf. Until then a guest that ran would write to a layer that nobody opens after a power cut.
 */
import { exclusive } from '../../core/locks.ts';
import { HypervisorError } from '../../world.ts';
import { findDomain, isNoDomain } from '../domain.ts';
import { observerOrigin } from '../observe/facts.ts';
import { chainOfDisk } from './live-chain.ts';
import type { VmServices } from '../services.ts';

/**
 * `work`, with every other verb of the VM kept off, and the guest let go of after it. The VM's lock comes after those of images in the order of all locks,
 * so a task that has an image may ask for it.
 */
export async function asOne<T>(services: VmServices, vmId: string, work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  return services.locks.withLocks([exclusive('vm', vmId)], async () => {
    try {
      return await work();
    } finally {
      await letGo(services, vmId);
    }
  }, signal);
}

/** The guest stands still from now on; a VM that is paused stays so afterwards. */
export async function hold({ hypervisor, database, facts, rows }: VmServices, vmId: string): Promise<void> {
  const domain = await findDomain({ hypervisor }, vmId);
  const vm = rows.find(vmId);
  if (!domain || !vm) return;
  if (vm.fact.heldFrom === null) database.write(observerOrigin, (tx) => facts.note(tx, vmId, { heldFrom: domain.state === 'paused' ? 'paused' : 'up' }));
  if (domain.state !== 'paused') await hypervisor.suspend(vmId);
}

/** Lets a guest go on that was held, as soon as that is safe. Does nothing otherwise; may be repeated. */
export async function letGo(services: VmServices, vmId: string): Promise<void> {
  const { hypervisor, database, facts, rows } = services;
  const heldFrom = rows.find(vmId)?.fact.heldFrom ?? null;
  if (heldFrom === null) return;
  const liveXml = await hypervisor.domainXml(vmId).catch((error: unknown) => {
    if (isNoDomain(error)) return undefined;
    throw error;
  });
  if (liveXml !== undefined && !isAsWritten(services, vmId, liveXml)) return;
  if (liveXml !== undefined && heldFrom === 'up') await hypervisor.resume(vmId).catch(unlessRunning);
  database.write(observerOrigin, (tx) => facts.note(tx, vmId, { heldFrom: null }));
}

function isAsWritten({ rows, storage }: VmServices, vmId: string, liveXml: string): boolean {
  return rows.disks(vmId).every(({ diskId }) => {
    const chain = chainOfDisk(liveXml, diskId);
    return chain === undefined || chain.layers[0] === storage.layers.path(diskId, storage.requireDisk(diskId).volumeId);
  });
}

function unlessRunning(error: unknown): void {
  if (!(error instanceof HypervisorError) || (error.kind !== 'invalid-operation' && error.kind !== 'no-domain')) throw error;
}

/** After a kill: guests that nobody holds any more. One that somebody holds now is passed over. */
export async function letGoOfAll(services: VmServices): Promise<void> {
  const { rows, locks } = services;
  for (const { id } of rows.all().filter(({ fact }) => fact.heldFrom !== null)) {
    if (!locks.held().includes(exclusive('vm', id).key)) await asOne(services, id, async () => {});
  }
}
