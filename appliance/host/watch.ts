/**
 * Watches the host: is libvirt there, what can it do, how busy is the machine. What is wrong becomes a standing event,
 * settled when it is right again.
 *
 *   host-connection   libvirt lost for longer than the grace -> error `host.libvirt-lost`, until it is back
 *   host-facts        libvirt's facts anew, acceleration judged -> warning `host.acceleration`
 *   host-addresses    links, addresses and disks that changed are put in the change feed
 *   host-load         a sample
 */
import type { Activity } from '../activity/activity.ts';
import type { Core } from '../core/services.ts';
import type { About } from '../core/task.ts';
import type { HypervisorFacts, World } from '../world.ts';
import { type LoadHistory, samplePeriodMs } from './load.ts';
import { type Acceleration, connectionGraceMs } from './rules.ts';

export interface Watch extends Core {
  world: World;
  activity: Activity;
  history: LoadHistory;
  /** This host, for events. */
  about(): Promise<About>;
  acceleration(): Promise<Acceleration>;
  keepFacts(facts: HypervisorFacts): void;
}

export function watchHost(watch: Watch): void {
  const { reconcilers, world } = watch;
  reconcilers.add({ name: 'host-connection', periodMs: connectionGraceMs, run: createConnectionWatch(watch) });
  reconcilers.add({ name: 'host-facts', periodMs: 600_000, run: () => refreshFacts(watch) });
  reconcilers.add({ name: 'host-load', periodMs: samplePeriodMs, run: () => sampleLoad(watch) });
  reconcilers.add({ name: 'host-addresses', periodMs: addressPeriodMs, run: createAddressWatch(watch) });
  world.hypervisor.onEvent((event) => {
    if (event.type !== 'connection') return;
    reconcilers.wake('host-connection');
    if (event.state === 'connected') reconcilers.wake('host-facts');
  });
}

async function sampleLoad({ world, clock, history, activity, about }: Watch): Promise<void> {
  const load = await world.machine.load();
  history.add(clock.now(), load);
  const { id, name } = await about();
  const { cpuFraction, memoryUsedBytes, receivedBytes, sentBytes } = load;
  activity.samples.record([{ kind: 'host', id, name, values: { cpuFraction, memoryUsedBytes, receivedBytesPerSecond: receivedBytes, sentBytesPerSecond: sentBytes } }]);
}

/** A cable or a stick that is plugged in, or an address that comes by DHCP, is told within this time, to pages and to the screen of the box. */
const addressPeriodMs = 5_000;

function createAddressWatch({ world, database, journal, about }: Watch): () => Promise<void> {
  let known: string | undefined;
  return async () => {
    const { nics, disks } = await world.machine.facts();
    const seen = JSON.stringify([nics, disks]);
    const isChanged = known !== undefined && known !== seen;
    known = seen;
    if (!isChanged) return;
    const { id } = await about();
    database.write(origin, (tx) => journal.observed(tx, { kind: 'host', id, what: 'updated' }));
  };
}

const origin = { actor: 'system', operation: 'host.watch' };

function createConnectionWatch(watch: Watch): () => Promise<void> {
  const { world, clock, database, activity, journal } = watch;
  let lostAt: number | undefined;
  let told: 'connected' | 'lost' | undefined;

  const tell = async (state: 'connected' | 'lost', message: string) => {
    const host = await watch.about();
    database.write(origin, (tx) => {
      if (state === 'connected') activity.settle(tx, 'host.libvirt-lost', [host.id]);
      else activity.event(tx, { ...lostEvent(message), about: [host], isStanding: true });
      journal.observed(tx, { kind: 'host', id: host.id, what: 'updated' });
    });
    told = state;
  };

  return async () => {
    const { state, message } = world.hypervisor.connection();
    if (state === 'connected') {
      lostAt = undefined;
      if (told !== 'connected') await tell('connected', '');
      return;
    }
    lostAt ??= clock.now();
    if (told !== 'lost' && clock.now() - lostAt >= connectionGraceMs) await tell('lost', message);
  };
}

function lostEvent(message: string) {
  return {
    severity: 'error' as const, code: 'host.libvirt-lost', message: `libvirt does not answer: ${message}`,
    nextStep: 'Running VMs go on, but none can be started or changed. Bothy reconnects by itself; if this lasts, see whether libvirtd runs on the host.',
  };
}

async function refreshFacts(watch: Watch): Promise<void> {
  const { world, database, activity, journal } = watch;
  if (world.hypervisor.connection().state === 'connected') watch.keepFacts(await world.hypervisor.facts());
  const { warning, isRefused } = await watch.acceleration();
  const host = await watch.about();
  database.write(origin, (tx) => {
    if (warning) activity.event(tx, { severity: isRefused ? 'error' : 'warning', code: 'host.acceleration', ...warning, about: [host], isStanding: true });
    else activity.settle(tx, 'host.acceleration', [host.id]);
    journal.observed(tx, { kind: 'host', id: host.id, what: 'updated' });
  });
}
