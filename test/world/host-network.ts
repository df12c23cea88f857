/** The simulated addresses of the machine's ports: what is set is what the machine then tells. */
import type { HostNetworkPort, MachineFacts, PortSettings } from '../../appliance/world.ts';
import type { SimulatedMachine } from './machine.ts';

export interface SimulatedHostNetwork extends HostNetworkPort {
  isManaged: boolean;
  /** The system refuses from now on; `undefined` ends it. */
  refuse(error: Error | undefined): void;
  /** Whether anything answers behind the ports. */
  isAnswering: boolean;
}

const leased = '192.168.10.77/24';

export function createSimulatedHostNetwork(machine: SimulatedMachine): SimulatedHostNetwork {
  const wishes = new Map<string, PortSettings>();
  let refusal: Error | undefined;
  let own: MachineFacts['nics'] | undefined;
  return {
    isManaged: true,
    isAnswering: true,
    answers: async function answers() { return this.isAnswering; },
    refuse: (error) => { refusal = error; },
    settings: async () => Object.fromEntries(wishes),
    inUse: async () => ({ gateways: [...wishes].flatMap(([port, { gateway }]) => (gateway ? [{ port, address: gateway }] : [])), dns: [...wishes.values()].flatMap(({ dns }) => dns) }),
    async set(port, settings) {
      if (!this.isManaged) throw new Error('this machine is not ours to set up');
      if (refusal) throw refusal;
      const { nics } = await machine.facts();
      own ??= nics;
      if (settings) wishes.set(port, settings);
      else wishes.delete(port);
      const before = own.find(({ name }) => name === port)?.addresses ?? [];
      const addresses = settings === null ? before : settings.method === 'dhcp' ? [leased] : [settings.address ?? ''];
      machine.change({ nics: nics.map((nic) => (nic.name === port ? { ...nic, addresses } : nic)) });
    },
  };
}
