/**
 * The devices of the host that virtual machines can be given. Read anew for each question: what libvirt tells is at hand there. When one comes or
 * goes libvirt says so, and pages that show them are told.
 */
import type { Core } from '../core/services.ts';
import type { About } from '../core/task.ts';
import type { World } from '../world.ts';
import { devicesOf } from './device-rules.ts';
import type { Device } from './device-schema.ts';

export interface HostDevices {
  /** Null where libvirt cannot tell what the host is made of. */
  list(): Promise<Device[] | null>;
  /** Who knows which running VM has which device; once. */
  registerUsers(find: FindUser): void;
}

export type FindUser = (device: Omit<Device, 'usedBy'>) => Device['usedBy'];

export function createHostDevices({ world, reconcilers, database, journal, about }: Core & { world: World; about(): Promise<About> }): HostDevices {
  let findUser: FindUser = () => null;
  let isTold = true;
  reconcilers.add({
    name: 'host-devices', periodMs: 600_000,
    async run() {
      if (isTold) return;
      isTold = true;
      const { id } = await about();
      database.write({ actor: 'system', operation: 'host.watch' }, (tx) => journal.observed(tx, { kind: 'host', id, what: 'updated' }));
    },
  });
  world.hypervisor.onEvent((event) => {
    if (event.type !== 'host-device') return;
    isTold = false;
    reconcilers.wake('host-devices');
  });
  return {
    async list() {
      const nodes = await world.hypervisor.nodeDevices();
      if (!nodes) return null;
      const devices = devicesOf(nodes, await world.machine.deviceTraits());
      return devices.map((device) => ({ ...device, usedBy: findUser(device) }));
    },
    registerUsers: (find) => { findUser = find; },
  };
}
