/** The network slice: logical networks, what this host has of them, and addresses for vNICs. */
import { randomBytes } from 'node:crypto';
import type { Tx } from '../core/db.ts';
import { bind } from '../core/operation.ts';
import type { Core, Slice } from '../core/services.ts';
import type { World } from '../world.ts';
import { bringUp } from './libvirt-network.ts';
import { createNetworks, ensureDefault, type Usage } from './networks.ts';
import { networkOperations } from './operations.ts';
import { portOperations } from './port-operations.ts';
import { portTask } from './port-task.ts';
import { reconcileNetworks } from './reconcile.ts';
import { formatMac } from './rules.ts';

export interface Network extends Slice {
  /** What a vNIC is plugged into, by name or id. `bridge` is empty while a NAT network has never run. Throws `not-found`. */
  requireNetwork(ref: string): { id: string; name: string; kind: 'nat' | 'bridge'; bridge: string };
  /** The network that libvirt calls so, or that is on that bridge. */
  networkOf(source: { kind: 'nat' | 'bridge'; name: string }): string | undefined;
  /** Brings a NAT network up; checks that a bridge is there. Rejects with a Problem that says why not. */
  ensureNetwork(name: string): Promise<void>;
  /** An address that no vNIC has. The caller writes it in the same transaction. */
  allocateMac(tx: Tx): string;
  isMacFree(mac: string): boolean;
  /** Who can say what uses a network and which addresses vNICs have; once. */
  registerUsage(usage: Usage): void;
}

export interface NetworkDeps extends Core {
  world: World;
}

/** Addresses given lately and perhaps not written yet. */
const mostRemembered = 256;

export function createNetwork(deps: NetworkDeps): Network {
  const { world, reconcilers } = deps;
  const networks = createNetworks(deps);
  let usage: Usage = { findUsers: () => [], isMacUsed: () => false };
  const given: string[] = [];
  const isMacFree = (mac: string) => !usage.isMacUsed(mac.toLowerCase());

  ensureDefault(networks, deps);
  deps.objects.define('network', { find: (ref) => networks.find(ref)?.id, nameOf: (id) => networks.find(id)?.name });
  reconcilers.add({ name: 'network', periodMs: 60_000, run: () => reconcileNetworks({ ...deps, networks }) });
  deps.tasks.define([portTask(deps)]);
  world.hypervisor.onEvent((event) => {
    if (event.type === 'connection' && event.state === 'connected') reconcilers.wake('network');
  });
  return {
    operations: [...bind({ ...deps, networks, usage: () => usage }, networkOperations), ...bind(deps, portOperations)],
    isMacFree,
    requireNetwork(ref) {
      const row = networks.require(ref);
      return { id: row.id, name: row.name, kind: row.kind, bridge: row.bridge ?? networks.factOf(row.name).bridge };
    },
    networkOf: (source) => networks.all().find(({ kind, name, bridge }) => kind === source.kind && (kind === 'nat' ? name : bridge) === source.name)?.name,
    async ensureNetwork(name) {
      await bringUp(networks, world, networks.require(name));
      reconcilers.wake('network');
    },
    allocateMac() {
      for (;;) {
        const mac = formatMac(randomBytes(3));
        if (given.includes(mac) || !isMacFree(mac)) continue;
        given.push(mac);
        if (given.length > mostRemembered) given.shift();
        return mac;
      }
    },
    registerUsage: (registered) => { usage = registered; },
  };
}
