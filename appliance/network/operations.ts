/** The verbs of this slice: look at networks, make, change and delete them. */
import * as z from 'zod';
import { type Actor, read, write } from '../core/operation.ts';
import { type FieldError, Problem } from '../core/problem.ts';
import type { Core } from '../core/services.ts';
import type { MachineFacts, World } from '../world.ts';
import { listKnown } from './libvirt-network.ts';
import type { NetworkRow, Networks, Usage } from './networks.ts';
import { bridgesToOffer, defaultNetwork, libvirtSubnet, subnetFault } from './rules.ts';
import { BridgeOutput, NetworkInput, NetworkOutput, NetworkPatch, NetworkRef } from './schema.ts';
import { findFreeSubnet, formatSubnet, parseSubnet } from './subnet.ts';

export interface NetworkServices extends Core {
  world: World;
  networks: Networks;
  usage(): Usage;
}

type Wish = Pick<NetworkRow, 'name' | 'kind' | 'description' | 'subnet' | 'bridge'>;

function showNetwork({ networks, usage }: NetworkServices, { reach }: Actor, row: NetworkRow): z.input<typeof NetworkOutput> {
  const { state, reason, since, bridge, subnet } = networks.factOf(row.name);
  const { id, name, kind, description, generation, createdAt } = row;
  return { id, name, kind, description, state, reason, since, bridge: bridge || (row.bridge ?? ''), subnet: row.subnet ?? subnet, usedBy: usage().findUsers(name).filter((user) => reach.sees(`${user.kind}.read`, user)), generation, createdAt };
}

function wrong(path: string, message: string): never {
  const errors: FieldError[] = [{ path, message }];
  throw new Problem('invalid-input', message, { errors });
}

/** Subnets of the networks that there are. libvirt's own counts with its habit until it has run. */
function ownSubnets({ networks }: NetworkServices): { cidr: string; by: string }[] {
  return networks.all().filter(({ kind }) => kind === 'nat')
    .map(({ name, subnet }) => ({ cidr: subnet ?? networks.factOf(name).subnet ?? libvirtSubnet, by: `the subnet of the network "${name}"` }));
}

/** Subnets that a new NAT network must leave alone, and whose they are. */
function busySubnets(services: NetworkServices, { routes }: MachineFacts): { cidr: string; by: string }[] {
  return [...ownSubnets(services), ...routes.map((cidr) => ({ cidr, by: 'which this host already reaches' }))];
}

async function planNat(services: NetworkServices, { name, subnet, bridge, description }: z.output<typeof NetworkInput>): Promise<Wish> {
  if (bridge !== undefined) wrong('bridge', 'A NAT network gets a bridge of its own. Leave this empty, or choose the kind "bridge".');
  const known = await listKnown(services.world);
  if (known.some((network) => network.name === name)) throw new Problem('name-taken', `libvirt already has a network named "${name}". Choose another name.`);
  const busy = busySubnets(services, await services.world.machine.facts());
  if (subnet === undefined) {
    const free = findFreeSubnet(busy.flatMap(({ cidr }) => parseSubnet(cidr) ?? []));
    if (!free) wrong('subnet', 'No usual subnet is free. Choose one yourself.');
    return { name, kind: 'nat', description, subnet: formatSubnet(free), bridge: null };
  }
  const fault = subnetFault(subnet, busy);
  if (fault) wrong('subnet', fault);
  return { name, kind: 'nat', description, subnet, bridge: null };
}

async function requireHostBridge({ world, networks }: NetworkServices, bridge: string | undefined, except?: string): Promise<string> {
  const { nics } = await world.machine.facts();
  const known = await listKnown(world);
  const names = nics.filter(({ isBridge }) => isBridge).map(({ name }) => name);
  const offer = bridgesToOffer(nics, known);
  if (bridge === undefined) return wrong('bridge', `Which bridge of this host? ${offer.length > 0 ? `There are: ${offer.join(', ')}.` : 'It has none yet.'}`);
  if (!names.includes(bridge)) return wrong('bridge', `This host has no bridge "${bridge}". ${offer.length > 0 ? `It has: ${offer.join(', ')}.` : 'Make one first.'}`);
  const owner = known.find((network) => network.bridge === bridge)?.name ?? networks.all().find((row) => row.bridge === bridge && row.id !== except)?.name;
  return owner === undefined ? bridge : wrong('bridge', `The bridge "${bridge}" already belongs to the network "${owner}". Choose another one.`);
}

function requireUnused(services: NetworkServices, row: NetworkRow): void {
  const users = services.usage().findUsers(row.name);
  const some = users.slice(0, 3).map(({ name }) => name).join(', ');
  if (users.length > 0) throw new Problem('in-use', `The network "${row.name}" is used by ${some}${users.length > 3 ? ` and ${users.length - 3} more` : ''}. Move their network interfaces to another network first.`);
}

export const networkList = read<NetworkServices>()({
  id: 'network.list', method: 'GET', path: '/networks', permission: 'network.read', scope: 'each',
  summary: 'List networks',
  input: z.object({}), output: z.object({ items: z.array(NetworkOutput), next: z.null() }),
  run(services, { actor }) {
    const { networks } = services;
    const visible = actor.reach.rows('network.read', 'network', networks.idColumn);
    return { items: networks.all(visible).map((row) => showNetwork(services, actor, row)), next: null };
  },
});

export const networkGet = read<NetworkServices>()({
  id: 'network.get', method: 'GET', path: '/networks/{network}', permission: 'network.read',
  summary: 'Show a network',
  input: z.object({ network: NetworkRef }), output: NetworkOutput,
  run: (services, { actor }, { network }) => showNetwork(services, actor, services.networks.require(network)),
});

export const bridgeList = read<NetworkServices>()({
  id: 'network.bridges', method: 'GET', path: '/bridges', permission: 'network.read',
  summary: 'List the bridges of the host that a network can use',
  input: z.object({}), output: z.object({ items: z.array(BridgeOutput), next: z.null() }),
  async run({ world, networks }) {
    const { nics } = await world.machine.facts();
    const names = bridgesToOffer(nics, await listKnown(world));
    const items = nics.filter(({ name }) => names.includes(name)).map(({ name, isUp, addresses }) => ({ name, isUp, addresses, network: networks.all().find((row) => row.bridge === name)?.name ?? null }));
    return { items, next: null };
  },
});

export const networkCreate = write<NetworkServices>()({
  id: 'network.create', method: 'POST', path: '/networks', permission: 'network.edit', status: 201,
  summary: 'Create a network: NAT, or on a bridge of the host',
  input: NetworkInput, output: NetworkOutput,
  async prepare(services, _call, input): Promise<Wish> {
    if (input.kind === 'nat') return planNat(services, input);
    if (input.subnet !== undefined) wrong('subnet', 'On a bridge, addresses come from the network of the host. Leave this empty, or choose the kind "nat".');
    return { name: input.name, kind: 'bridge', description: input.description, subnet: null, bridge: await requireHostBridge(services, input.bridge) };
  },
  run(services, tx, { name }, wish) {
    if (services.networks.find(name)) throw new Problem('name-taken', `There is already a network named "${name}". Choose another name.`);
    const fault = wish.subnet === null ? undefined : subnetFault(wish.subnet, ownSubnets(services));
    if (fault) wrong('subnet', fault); // of two requests at once, the second one
    const row = services.networks.insert(tx, wish);
    tx.afterCommit(() => services.reconcilers.wake('network'));
    return showNetwork(services, tx.call.actor, row);
  },
});

export const networkUpdate = write<NetworkServices>()({
  id: 'network.update', method: 'PATCH', path: '/networks/{network}', permission: 'network.edit', status: 200,
  summary: 'Change the description or the bridge of a network; VMs follow at their next start',
  input: NetworkPatch, output: NetworkOutput,
  generation: ({ networks }, { network }) => networks.find(network)?.generation,
  async prepare(services, _call, { network, bridge }): Promise<void> {
    const row = services.networks.require(network);
    if (bridge === undefined) return;
    if (row.kind === 'nat') wrong('bridge', 'libvirt chooses the bridge of a NAT network.');
    await requireHostBridge(services, bridge, row.id);
  },
  run(services, tx, { network, description, bridge }) {
    const row = services.networks.require(network);
    const after = services.networks.update(tx, row, { ...(description !== undefined && { description }), ...(bridge !== undefined && { bridge }) });
    tx.afterCommit(() => services.reconcilers.wake('network'));
    return showNetwork(services, tx.call.actor, after);
  },
});

export const networkDelete = write<NetworkServices>()({
  id: 'network.delete', method: 'DELETE', path: '/networks/{network}', permission: 'network.edit', status: 204,
  summary: 'Delete a network that nothing uses',
  input: z.object({ network: NetworkRef }), output: z.null(),
  generation: ({ networks }, { network }) => networks.find(network)?.generation,
  run(services, tx, { network }) {
    const row = services.networks.require(network);
    if (row.name === defaultNetwork) throw new Problem('in-use', 'The network "default" stays: VMs use it unless told otherwise.');
    requireUnused(services, row);
    services.networks.delete(tx, row);
    tx.afterCommit(() => services.reconcilers.wake('network'));
    return null;
  },
});

export const networkOperations = [networkList, networkGet, bridgeList, networkCreate, networkUpdate, networkDelete];
