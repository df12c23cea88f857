/**
 * Gives devices of the host to machines that run, and takes them off again: when one is plugged in or pulled out, when a machine starts or ends, when a wish
 * comes or goes. Nothing is asked while nothing of that happens. They are in no definition that a machine is started with, so one that is missing keeps
 * none from starting.
 *
 * libvirt's own definition says who has what, so a service or a libvirt that was away finds it as it is.
 */
import type { Device } from '../../host/device-schema.ts';
import { HypervisorError } from '../../world.ts';
import { printXml } from '../definition/xml.ts';
import { isDisconnected, isNoDomain, lookAt } from '../domain.ts';
import { observerOrigin } from '../observe/facts.ts';
import type { Vm } from '../rows.ts';
import type { VmServices } from '../services.ts';
import { type Guest, type PassPlan, planPasses, type Verdict } from './rules.ts';
import { takeOffOne } from './take-off.ts';
import { usbXml } from './usb-xml.ts';

const name = 'vm.host-devices';
const periodMs = 600_000;

export function watchPasses(services: VmServices): void {
  const { hypervisor, journal, reconcilers, clock } = services;
  const round: Round = { isDue: true, known: '', at: 0 };
  const look = (isDue: boolean) => {
    round.isDue ||= isDue;
    reconcilers.wake(name);
  };
  reconcilers.add({
    name, periodMs,
    async run() {
      const mark = markOf(services);
      if (!round.isDue && mark === round.known && clock.now() - round.at < periodMs) return;
      Object.assign(round, { isDue: false, known: mark, at: clock.now() });
      await reconcile(services).catch((error: unknown) => {
        if (isDisconnected(error)) return; // it tells when it is there again
        round.isDue = true;
        throw error;
      });
    },
  });
  hypervisor.onEvent(({ type }) => {
    if (type === 'host-device' || type === 'device-removed' || type === 'connection' || type === 'resync') look(true);
  });
  journal.subscribe(({ kind }) => { if (kind === 'vm') look(false); });
  services.host.devices.registerUsers((device) => userOf(services, device));
}

interface Round {
  /** Something has happened that the rows do not show. */
  isDue: boolean;
  /** What the rows said in the last round, and when that was. */
  known: string;
  at: number;
}

/** Others stand before or after a task that changes them anyway, or have nothing to give devices to. */
const running = ['up', 'paused'] as const;

const involved = (services: VmServices): Vm[] => {
  const wishes = new Set(services.passes.all().map(({ vmId }) => vmId));
  return services.rows.withState([...running]).filter(({ id, fact }) => wishes.has(id) || Object.keys(fact.running?.hostDevices ?? {}).length > 0);
};

const markOf = (services: VmServices): string => JSON.stringify([services.passes.all(), involved(services).map(({ id, name: vmName, fact }) => [id, vmName, fact.state, fact.startedAt])]);

async function reconcile(services: VmServices): Promise<void> {
  const { passes, host } = services;
  const vms = involved(services);
  if (vms.length === 0) return note(services, new Map());
  const devices = await host.devices.list();
  if (!devices) return;
  const guests = (await Promise.all(vms.map((vm) => guestOf(services, vm)))).filter((guest) => guest !== undefined);
  const plan = planPasses(devices, guests);
  await carryOut(services, plan);
  note(services, plan.verdicts);
  const known = new Set(passes.all().map(({ id }) => id));
  for (const id of passes.faults.keys()) if (!known.has(id)) passes.faults.delete(id);
}

async function guestOf(services: VmServices, { id, name: vmName, fact }: Vm): Promise<Guest | undefined> {
  const live = await lookAt(services, id);
  return live ? { id, name: vmName, startedAt: fact.startedAt ?? fact.since, wishes: services.passes.of(id), plugged: new Map(Object.entries(live.hostDevices ?? {})) } : undefined;
}

async function carryOut(services: VmServices, { takeOff, give, verdicts }: PassPlan): Promise<void> {
  const { passes, hypervisor } = services;
  for (const { guest, wish } of takeOff) {
    services.log.info('a device of the host is taken off a machine', { vm: guest.id, wish });
    await attempt(services, wish, () => takeOffOne(services, guest.id, wish));
  }
  for (const { guest, wish, device } of give) {
    const isDone = await attempt(services, wish, () => hypervisor.attachDevice(guest.id, printXml(usbXml(wish, device))));
    const fault = passes.faults.get(wish);
    if (isDone) verdicts.set(wish, { state: 'in-use', device });
    else if (fault) verdicts.set(wish, { state: 'failed', device, ...fault });
  }
  for (const id of new Set([...takeOff, ...give].map(({ guest }) => guest.id))) await see(services, id);
}

/** Whether it worked; why not is kept for who looks. */
async function attempt({ passes, log }: VmServices, wish: string, work: () => Promise<void>): Promise<boolean> {
  try {
    await work();
    passes.faults.delete(wish);
    return true;
  } catch (error) {
    if (isNoDomain(error)) return false; // it ends: its devices are free with that
    if (!(error instanceof HypervisorError) || isDisconnected(error)) throw error;
    passes.faults.set(wish, faultOf(error));
    log.warn('a device of the host was not given or taken off', { wish, error });
    return false;
  }
}

function faultOf({ kind, message }: HypervisorError) {
  if (kind === 'timeout') return { message: 'QEMU did not answer in time.', nextStep: 'It is tried again when something changes. Plug the device in again, or restart the machine.' };
  if (/No free USB ports/i.test(message)) return { message: 'No port of the USB controller of the machine is free.', nextStep: 'Take another USB device away from it, or choose the USB 3 controller, and start it again.' };
  return { message: `libvirt says "${message}".`, nextStep: 'Plug the device in again. If that does not help, look at the log of libvirt.' };
}

/** What it has now, for who asks who has a device. */
async function see(services: VmServices, id: string): Promise<void> {
  const mark = services.facts.mark();
  const live = await lookAt(services, id);
  if (!live || !services.rows.find(id)) return;
  if (services.facts.changedAt(id) > mark) return void services.seenDevices.delete(id); // the next look reads it
  services.database.write(observerOrigin, (tx) => services.facts.note(tx, id, { running: live }));
}

/** Pages that show a wish whose standing is another one are told. */
function note({ passes, database, journal }: VmServices, verdicts: ReadonlyMap<string, Verdict>): void {
  const before = passes.verdicts;
  passes.found(verdicts);
  const word = (verdict: Verdict | undefined) => JSON.stringify(verdict && { ...verdict, device: 'device' in verdict && verdict.device.id });
  const vms = new Set(passes.all().filter(({ id }) => word(before.get(id)) !== word(verdicts.get(id))).map(({ vmId }) => vmId));
  if (vms.size > 0) database.write(observerOrigin, (tx) => { for (const id of vms) journal.observed(tx, { kind: 'vm', id, what: 'updated' }); });
}

function userOf({ rows }: VmServices, device: Omit<Device, 'usedBy'>): Device['usedBy'] {
  const place = device.usb ? `usb:${device.usb.bus}:${device.usb.device}` : device.id;
  const user = rows.withState([...running, 'suspended', 'powering-down', 'unknown']).find(({ fact }) => Object.values(fact.running?.hostDevices ?? {}).includes(place));
  return user ? { id: user.id, name: user.name } : null;
}
