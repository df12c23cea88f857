/**
 * Brings every VM down before the host restarts into another version, in the order of the host's own power verbs: one after another, and
 * all that is left when half of the time is over. Who has not shut down when its time is up is powered off. Repeating it does no harm.
 */
import { Problem } from '../core/problem.ts';
import type { Guest } from '../host/guests.ts';
import type { UpdateServices } from './services.ts';

const pollMs = 500;
/** Ending QEMU takes moments; longer is a fault. */
const powerOffMs = 120_000;
const origin = { actor: 'system', operation: 'update.switch' };

interface Quiet {
  shutdownMs: number;
  /** VMs that libvirt does not show are left to the restart. */
  cutsOff: boolean;
  signal: AbortSignal;
  progress(fraction: number, message: string): void;
}

export async function shutVmsDown(services: UpdateServices, { shutdownMs, cutsOff, signal, progress }: Quiet): Promise<void> {
  const { host, clock, database } = services;
  const endsAt = clock.now() + shutdownMs;
  const inTheWay = () => (cutsOff ? seen(services) : host.guests().running());
  for (let left = inTheWay(); left.length > 0; left = inTheWay()) {
    const restMs = endsAt - clock.now();
    if (restMs <= 0) return powerAllOff(services, inTheWay, signal);
    progress(1 - restMs / shutdownMs, `${left.length} still run: ${namesOf(left)}`);
    const due = (restMs > shutdownMs / 2 ? left.slice(0, 1) : left).filter(({ isLeaving }) => !isLeaving);
    if (due.length > 0) database.write(origin, (tx) => { for (const { id } of due) host.guests().askDown(tx, id); });
    await clock.sleep(pollMs, signal);
  }
}

const namesOf = (guests: Guest[]) => guests.slice(0, 5).map(({ name }) => name).join(', ');

/** Those that run for certain. */
function seen({ host, vms }: Pick<UpdateServices, 'host' | 'vms'>): Guest[] {
  const states = new Map(vms.all().map(({ id, state }) => [id, state]));
  return host.guests().running().filter(({ id }) => states.get(id) !== 'unknown');
}

async function powerAllOff(services: UpdateServices, inTheWay: () => Guest[], signal: AbortSignal): Promise<void> {
  const { host, clock, database } = services;
  for (const endsAt = clock.now() + powerOffMs; clock.now() < endsAt; await clock.sleep(pollMs, signal)) {
    const left = inTheWay();
    if (left.length === 0) return;
    if (seen(services).length === 0) {
      throw new Problem('unavailable', `libvirt does not answer, so these virtual machines could not be shut down: ${namesOf(left)}. Nothing was switched. Wait until libvirt answers again, or say that what runs may be cut off by the restart.`);
    }
    database.write(origin, (tx) => { for (const { id } of left) host.guests().end(tx, id); });
  }
  throw new Problem('unavailable', `Some virtual machines cannot be ended: ${namesOf(inTheWay())}. Nothing was switched. See what holds them up, then try again.`);
}

/** How long a VM may be on its way down, or not be seen, before it is left to itself. */
const settleMs = 120_000;

/** Starts those that ran before and are down, once it is known which are; each of them once. */
export async function startVms({ vms, host, database, reconcilers, clock }: UpdateServices, wanted: readonly { id: string }[], signal: AbortSignal): Promise<void> {
  await Promise.race([reconcilers.haveLooked(), clock.sleep(settleMs, signal)]);
  const waiting = new Set(wanted.map(({ id }) => id));
  for (const endsAt = clock.now() + settleMs; waiting.size > 0 && clock.now() < endsAt; await clock.sleep(pollMs, signal)) {
    const states = new Map(vms.all().map(({ id, state }) => [id, state]));
    const due = [...waiting].filter((id) => states.get(id) === 'down');
    if (due.length > 0) database.write(origin, (tx) => { for (const id of due) host.guests().start(tx, id); });
    for (const id of waiting) if (!['powering-down', 'unknown'].includes(states.get(id) ?? '')) waiting.delete(id);
  }
}
