/**
 * The clock of a guest that stood still, paused or on disk: its agent sets it, at once or as soon as it speaks. One that goes on among many, on a host
 * that has just come up, does not always answer in time; so it is asked again, a few times. A guest without an agent helps itself, or has NTP.
 */
import type { VmServices } from '../services.ts';

export interface DueClock {
  tries: number;
  /** Its agent has been asked and has not answered yet. */
  isAsked: boolean;
}

const mostTries = 12;

export function noteStoodStill({ clocksDue }: Pick<VmServices, 'clocksDue'>, vmId: string): void {
  clocksDue.set(vmId, { tries: 0, isAsked: false });
}

export function setClockIfDue(services: VmServices, vmId: string): void {
  const due = services.clocksDue.get(vmId);
  if (!due || due.isAsked) return;
  const fact = services.rows.find(vmId)?.fact;
  if (!fact || fact.state === 'down' || fact.state === 'saved') return void services.clocksDue.delete(vmId);
  if (fact.state === 'up' && fact.hasAgent) void ask(services, vmId, due);
}

/** The reconciler's round. */
export function setClocksDue(services: VmServices): void {
  for (const vmId of services.clocksDue.keys()) setClockIfDue(services, vmId);
}

async function ask({ hypervisor, clock, log, clocksDue }: VmServices, vmId: string, due: DueClock): Promise<void> {
  due.isAsked = true;
  due.tries += 1;
  const isSet = await hypervisor.setGuestTime(vmId, clock.now()).then(() => true, (error: unknown) => {
    log.info('the clock of a guest could not be set', { vm: vmId, tries: due.tries, error });
    return false;
  });
  due.isAsked = false;
  if ((isSet || due.tries >= mostTries) && clocksDue.get(vmId) === due) clocksDue.delete(vmId); // meanwhile it may have stood still again
}
