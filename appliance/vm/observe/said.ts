/** What QEMU said when something went wrong: it stands beside our own words, for who has to find out why. */
import type { HypervisorEvent } from '../../world.ts';
import { observerOrigin } from './facts.ts';
import type { Fact } from '../rules.ts';
import type { VmServices } from '../services.ts';

/** Comes just before the pause. */
export function noteDiskError(services: VmServices, { uuid, alias, reason }: Extract<HypervisorEvent, { type: 'io-error' }>): void {
  const [disk] = services.storage.disks([alias.replace(/^ua-/, '')]);
  services.diskErrors.set(uuid, `${disk?.name ?? alias}: ${reason === 'enospc' ? 'ENOSPC, no space left on device' : reason || 'I/O error'}`);
}

/** Called with what a VM has become, and with the name that its domain had. */
export function hear(services: VmServices, vmId: string, { state, reason }: Fact, domainName?: string): void {
  if (state === 'paused' && reason === 'io-error') keep(services, vmId, services.diskErrors.get(vmId) ?? '');
  if (state !== 'down' || (reason !== 'failed' && reason !== 'crashed' && reason !== 'lost')) return;
  const vm = services.rows.find(vmId);
  if (!vm) return;
  services.guestLog.lastWords(domainName ?? vm.name).then((words) => {
    const now = services.rows.find(vmId)?.fact;
    if (now?.state === state && now.reason === reason) keep(services, vmId, words);
  }).catch((error: unknown) => services.log.info('the log of a guest could not be read', { vm: vmId, error }));
}

function keep({ database, facts }: VmServices, vmId: string, said: string): void {
  if (said !== '') database.write(observerOrigin, (tx) => facts.note(tx, vmId, { said }));
}
