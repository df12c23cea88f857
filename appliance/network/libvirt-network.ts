/**
 * A network on this host: bring it up before a VM needs it, let it go when it is deleted.
 *
 * A NAT network that libvirt knows is used as it is, whoever made it. One that it does not know is defined, and marked as ours
 * beforehand: so it is removed with its row even if the service dies in between.
 */
import { Problem } from '../core/problem.ts';
import { HypervisorError, type Network as LibvirtNetwork, type World } from '../world.ts';
import { networkXml } from './network-xml.ts';
import type { NetworkRow, Networks } from './networks.ts';
import { observeNetwork, plainWords } from './rules.ts';
import { findFreeSubnet, parseSubnet, type Subnet } from './subnet.ts';

/** libvirt's networks; rejects with a Problem while it does not answer. */
export async function listKnown({ hypervisor }: World): Promise<LibvirtNetwork[]> {
  try {
    return await hypervisor.networks();
  } catch (error) {
    throw new Problem('unavailable', 'libvirt does not answer, so its networks are not known. Try again in a moment; if this lasts, see the page of the host.', { cause: error });
  }
}

/** Rejects with a Problem that says why VMs cannot use it. */
export async function bringUp(networks: Networks, world: World, row: NetworkRow): Promise<void> {
  if (row.kind === 'bridge') return requireBridge(world, row);
  try {
    const existing = (await listKnown(world)).find(({ name }) => name === row.name);
    if (existing?.active) return;
    if (!existing) networks.markOurs(row);
    await world.hypervisor.ensureNetwork(row.name, networkXml({ name: row.name, subnet: await chooseSubnet(world, row) }));
  } catch (error) {
    if (!(error instanceof HypervisorError)) throw error;
    throw new Problem('unavailable', `The network "${row.name}" could not be started: ${plainWords(error.message)}. Look at the log of libvirt, then try again.`, { cause: error });
  }
}

async function requireBridge(world: World, row: NetworkRow): Promise<void> {
  const { state, reason } = observeNetwork(row, { nics: (await world.machine.facts()).nics, known: [] });
  if (state === 'missing') throw new Problem('unavailable', `The network "${row.name}" cannot be used: ${reason} Make the bridge, or choose another one for this network.`);
}

async function chooseSubnet(world: World, row: NetworkRow): Promise<Subnet> {
  const wanted = row.subnet === null ? undefined : parseSubnet(row.subnet);
  if (wanted) return wanted;
  const { routes } = await world.machine.facts();
  const free = findFreeSubnet(routes.flatMap((route) => parseSubnet(route) ?? []));
  if (!free) throw new Problem('unavailable', `The network "${row.name}" could not be started: the host reaches every subnet that it could use. Make a network with a subnet of your own choice.`);
  return free;
}
