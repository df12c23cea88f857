/** Whether a VM that runs is healthy, by the probe that was wished for it. */
import { readProbe } from './startup-rules.ts';
import type { VmServices } from '../services.ts';

const patienceMs = 5_000;

export async function isHealthy(services: VmServices, vmId: string, healthProbe: string): Promise<boolean> {
  const { kind, host, port } = readProbe(healthProbe);
  if (kind === 'none') return true;
  if (kind === 'agent') return answers(() => services.hypervisor.agentCommand(vmId, '{"execute":"guest-ping"}', patienceMs));
  const hosts = host === '' ? addressesOf(services, vmId) : [host];
  for (const address of hosts) {
    if (await answers(async () => (await services.outgoing.connect({ host: address, port }, AbortSignal.timeout(patienceMs))).destroy())) return true;
  }
  return false;
}

/** Link-local ones cannot be spoken to without a name of a port. */
function addressesOf({ guests }: VmServices, vmId: string): string[] {
  const all = guests.look(vmId)?.interfaces.flatMap(({ addresses }) => addresses) ?? [];
  return all.filter((address) => !/^(fe80:|169\.254\.)/i.test(address)).slice(0, 4);
}

async function answers(ask: () => Promise<unknown>): Promise<boolean> {
  try {
    await ask();
    return true;
  } catch {
    return false;
  }
}
