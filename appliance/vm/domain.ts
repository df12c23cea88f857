/**
 * The domain of a VM as tasks meet it: asked of libvirt itself, never of our facts, so that a step that runs a second time sees
 * what the first has done.
 */
import { Problem } from '../core/problem.ts';
import { type DomainFact, HypervisorError } from '../world.ts';
import { readRunning, type Running } from './definition/running.ts';
import type { VmServices } from './services.ts';

type Services = Pick<VmServices, 'hypervisor' | 'clock'>;

const reconnectPollMs = 250;

/** The VM's domain, or `undefined` when there is none. */
export async function findDomain({ hypervisor }: Pick<VmServices, 'hypervisor'>, vmId: string): Promise<DomainFact | undefined> {
  const domain = (await hypervisor.domains()).find(({ uuid }) => uuid === vmId);
  return domain && domain.state !== 'shut-off' && domain.state !== 'crashed' ? domain : undefined;
}

/** What the domain has now; `null` when there is none. */
export async function lookAt({ hypervisor }: Pick<VmServices, 'hypervisor'>, vmId: string): Promise<Running | null> {
  try {
    return readRunning(await hypervisor.domainXml(vmId));
  } catch (error) {
    if (isNoDomain(error)) return null;
    throw error;
  }
}

export const isNoDomain = (error: unknown) => error instanceof HypervisorError && error.kind === 'no-domain';
export const isDisconnected = (error: unknown) => error instanceof HypervisorError && error.kind === 'disconnected';

/**
 * Runs `work`, again from its start whenever libvirt goes away and has come back, until `signal` ends it. So a restart of
 * libvirtd delays a task instead of failing it; `work` must be idempotent. libvirt's refusals become problems.
 */
export async function persist<T>({ hypervisor, clock }: Services, what: string, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!isDisconnected(error)) throw asRefusal(error, what);
    }
    do await clock.sleep(reconnectPollMs, signal);
    while (hypervisor.connection().state === 'disconnected');
  }
}

/** A problem that carries libvirt's own words; anything that libvirt has not said stays as it is. */
export function asRefusal(error: unknown, what: string): unknown {
  if (!(error instanceof HypervisorError)) return error;
  if (error.kind === 'disconnected') return new Problem('unavailable', `${what}: libvirt does not answer. Try again when it does.`, { cause: error });
  if (error.kind === 'timeout') return new Problem('unavailable', `${what}: QEMU did not answer in time. Try again, or power the VM off.`, { cause: error });
  if (error.kind === 'no-domain') return new Problem('wrong-state', `${what}: the VM is no longer running. Start it, then try again.`, { cause: error });
  return new Problem('unavailable', `${what}: libvirt says "${error.message}". Look at the log of libvirt, then try again.`, { cause: error });
}
