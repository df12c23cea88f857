/**
 * What goes wrong inside a guest that runs on: its watchdog fires, or its system crashes and is started anew. Nothing of that is a state of
 * libvirt's, so it is written down here as the reason of the state, for the page, and told as an event.
 *
 * How often that happens is up to the guest; events of the same count up (`activity/events.ts`). That a guest restarts itself (libvirt's `reboot`,
 * which a firmware also causes several times while it starts) is its own affair and told to nobody.
 */
import { troubleOf } from '../explanations.ts';
import { afterWatchdog } from '../rules.ts';
import type { VmServices } from '../services.ts';
import { observerOrigin } from './facts.ts';

type Services = Pick<VmServices, 'rows' | 'facts' | 'database' | 'activity' | 'clock'>;

/** The watchdog of a guest fired, and did `action`. */
export function noteWatchdog(services: Services, vmId: string, action: string): void {
  const { rows, facts, database, clock } = services;
  const before = rows.find(vmId)?.fact;
  const after = before && afterWatchdog(before, action, clock.now());
  if (!after || after === before) return;
  if (after.state === before.state && after.reason === before.reason) tellAgain(services, vmId);
  else database.write(observerOrigin, (tx) => facts.enter(tx, vmId, after.state, after.reason));
}

/** The first was told when it changed the VM's fact. */
export function noteCrashAgain(services: Services, vmId: string): void {
  if (services.rows.find(vmId)?.fact.reason === 'crash-restarted') tellAgain(services, vmId);
}

function tellAgain({ rows, database, activity }: Services, vmId: string): void {
  const vm = rows.find(vmId);
  const text = vm && troubleOf(vm.name, vm.fact);
  if (text) database.write(observerOrigin, (tx) => activity.event(tx, { ...text, about: [{ kind: 'vm', id: vmId, name: vm.name }] }));
}
