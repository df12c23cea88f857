/**
 * Merging layers of a disk inside the guest that runs from them.
 *
 *   below the top   QEMU copies and drops the layer by itself; a power cut finds the same content with it or without it
 *   the topmost     QEMU copies and goes on copying (ready) -> the guest is held -> pivot -> written down -> the guest goes on
 *
 * Nothing but QEMU's own chain says how far a merge has come, so it is looked at first and after every event: a kill at any point is found as one of the
 * lines above. What the guest wrote after a pivot is never in a layer that the database does not call the leaf.
 */
import { Problem } from '../../core/problem.ts';
import { HypervisorError, type HypervisorEvent } from '../../world.ts';
import { findDomain, isDisconnected, isNoDomain, persist } from '../domain.ts';
import { asOne, hold } from './hold.ts';
import { chainOfDisk, type LiveChain, mergeStanding } from './live-chain.ts';
import type { VmServices } from '../services.ts';

type LiveMerge = Parameters<Parameters<VmServices['storage']['registerMerge']>[0]>[1];

interface Place {
  vm: string;
  disk: string;
  merge: LiveMerge;
}

/** Events can be missed; progress has none. */
const lookPeriodMs = 2_000;

export async function mergeLive(services: VmServices, disk: string, merge: LiveMerge): Promise<boolean> {
  const [user] = services.rows.usersOfDisk(disk);
  if (!user) return false;
  const place = { vm: user.id, disk, merge };
  return persist(services, 'The layers could not be merged in the running guest', merge.signal, async () => {
    try {
      return await attempt(services, place);
    } catch (error) {
      if (error instanceof HypervisorError && !isDisconnected(error) && (await hasEnded(services, place))) return false;
      throw error;
    }
  });
}

const endingPolls = 8;
const endingPollMs = 250;

/** A QEMU that dies in the middle of a call is still listed for a moment. */
async function hasEnded(services: VmServices, { vm, merge }: Place): Promise<boolean> {
  for (let polls = 0; polls < endingPolls; polls++) {
    if (!(await findDomain(services, vm))) return true;
    await services.clock.sleep(endingPollMs, merge.signal);
  }
  return false;
}

/** Drives the merge on from wherever it stands. */
async function attempt(services: VmServices, place: Place): Promise<boolean> {
  const { merge } = place;
  const ears = listen(services, place.vm);
  let isBegun = false;
  try {
    for (;;) {
      if (merge.signal.aborted) await giveUp(services, place);
      merge.signal.throwIfAborted();
      const chain = await look(services, place);
      const standing = chain && mergeStanding(chain, merge);
      if (!chain || standing === 'closed') return false; // the guest has ended, or does not have it
      const isEnding = standing === 'merged' || chain.merge?.isReady === true;
      if (isEnding && (await asOne(services, place.vm, () => end(services, place), merge.signal))) return true;
      if (!isEnding) isBegun = await keepGoing(services, place, { chain, isBegun, isTopmost: standing === 'topmost' });
      await ears.wait(merge.signal);
    }
  } finally {
    ears.close();
  }
}

/** The end of a merge, written down; resolves to whether it is. */
async function end(services: VmServices, place: Place): Promise<boolean> {
  const { hypervisor } = services;
  const before = await look(services, place);
  if (before?.merge?.isReady && mergeStanding(before, place.merge) === 'topmost') {
    await hold(services, place.vm);
    await hypervisor.endMerge(place.vm, before.target, 'pivot');
  }
  const after = await look(services, place);
  if (!after || mergeStanding(after, place.merge) !== 'merged') return false;
  await place.merge.settle();
  return true;
}

async function look({ hypervisor }: VmServices, { vm, disk }: Place): Promise<LiveChain | undefined> {
  try {
    return chainOfDisk(await hypervisor.domainXml(vm), disk);
  } catch (error) {
    if (isNoDomain(error)) return undefined;
    throw error;
  }
}

/** Begins the merge unless one runs, perhaps from a life before this; resolves to true. Throws when one that had begun is gone. */
async function keepGoing(services: VmServices, { vm, merge, ...place }: Place, { chain, isBegun, isTopmost }: { chain: LiveChain; isBegun: boolean; isTopmost: boolean }): Promise<true> {
  const { hypervisor } = services;
  const running = await hypervisor.mergeProgress(vm, chain.target);
  if (running) merge.progress(running.totalBytes > 0 ? running.doneBytes / running.totalBytes : 0);
  else if (!isBegun) await hypervisor.mergeLayer(vm, chain.target, { top: merge.from, base: merge.into, isTopmost });
  else {
    // It may have ended between the two looks.
    const after = await look(services, { vm, merge, ...place });
    if (after && mergeStanding(after, merge) !== 'merged') throw new Problem('unavailable', 'QEMU has given the merge up. The guest goes on as before. Try again; its log in the folder of libvirt may tell why.');
  }
  return true;
}

/** Cancelled, or the service stops: the guest goes on as it was. */
async function giveUp({ hypervisor }: VmServices, { vm, disk }: Place): Promise<void> {
  const chain = await hypervisor.domainXml(vm).then((xml) => chainOfDisk(xml, disk), () => undefined);
  if (chain) await hypervisor.endMerge(vm, chain.target, 'cancel').catch(() => {}); // none runs, or it has just ended
}

/** Wakes who waits at each event of a merge in that VM, at its end, and after a while in any case. */
function listen({ hypervisor, clock }: VmServices, vm: string) {
  let wake = new AbortController();
  const isOurs = (event: HypervisorEvent) => 'uuid' in event && event.uuid === vm && (event.type === 'block-job' || (event.type === 'lifecycle' && event.event === 'stopped'));
  const close = hypervisor.onEvent((event) => { if (isOurs(event) || event.type === 'connection') wake.abort(); });
  return {
    close,
    async wait(signal: AbortSignal): Promise<void> {
      const waking = AbortSignal.any([signal, wake.signal]);
      await clock.sleep(lookPeriodMs, waking).catch((error: unknown) => { if (!waking.aborted || isDisconnected(error)) throw error; });
      wake = new AbortController();
    },
  };
}
