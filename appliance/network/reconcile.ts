/**
 * Keeps what is known of networks true: their state on this host, bridges that people made and may use, and what libvirt must let
 * go of. Starts no network: that is for the VM that needs it, so an existing libvirt is left as it is.
 */
import { eq } from 'drizzle-orm';
import type { Core } from '../core/services.ts';
import type { World } from '../world.ts';
import type { Networks } from './networks.ts';
import { bridgesToOffer, observeNetwork } from './rules.ts';
import { NetworkName } from './schema.ts';
import { offeredBridgeTable } from './table.ts';

interface Parts extends Core {
  world: World;
  networks: Networks;
}

export async function reconcileNetworks(parts: Parts): Promise<void> {
  const { world, networks } = parts;
  if (world.hypervisor.connection().state !== 'connected') return;
  await removeDeleted(parts);
  const [known, { nics }] = await Promise.all([world.hypervisor.networks(), world.machine.facts()]);
  for (const bridge of bridgesToOffer(nics, known)) offerBridge(parts, bridge);
  for (const row of networks.all()) networks.observe(row, observeNetwork(row, { nics, known }));
}

async function removeDeleted({ world, networks }: Parts): Promise<void> {
  for (const { name, isOurs } of networks.facts()) {
    if (networks.find(name)) continue;
    if (isOurs) await world.hypervisor.removeNetwork(name);
    networks.forget(name);
  }
}

/** Makes a network of the bridge, once: if people delete it, it stays deleted. */
function offerBridge({ database, clock, networks }: Parts, bridge: string): void {
  if (database.sql.select().from(offeredBridgeTable).where(eq(offeredBridgeTable.name, bridge)).get()) return;
  const isFree = NetworkName.safeParse(bridge).success && !networks.find(bridge) && !networks.all().some((row) => row.bridge === bridge);
  database.write({ actor: 'system', operation: 'network.offer' }, (tx) => {
    tx.sql.insert(offeredBridgeTable).values({ name: bridge, at: clock.now() }).run();
    if (isFree) networks.insert(tx, { name: bridge, kind: 'bridge', description: 'A bridge of this host.', subnet: null, bridge });
  });
}
