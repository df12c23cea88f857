/** A simulated libvirt with its guests and networks as text, so that `npm run dev` finds them again after a restart. */
import { enter, type SimulatedDomain } from './guest.ts';
import type { SimulatedLibvirt } from './libvirt.ts';
import { formatXml } from './xml.ts';

type KeptGuest = Pick<SimulatedDomain, 'state' | 'reason' | 'ranMs' | 'diskErrors' | 'hasAgent'> & { xml: string };

interface Kept {
  networks: { name: string; bridge: string; active: boolean }[];
  guests: KeptGuest[];
}

export function keepLibvirt({ networks, domains }: SimulatedLibvirt): string {
  const guests = domains().map(({ tree, state, reason, ranMs, diskErrors, hasAgent }): KeptGuest => ({ xml: formatXml(tree), state, reason, ranMs, diskErrors, hasAgent }));
  return JSON.stringify({ networks: [...networks.values()], guests } satisfies Kept);
}

/** Nobody is told: it is as if they had run all the time. */
export function restoreLibvirt(libvirt: SimulatedLibvirt, text: string): void {
  const { networks, guests } = JSON.parse(text) as Kept; // written by keepLibvirt
  for (const network of networks) libvirt.networks.set(network.name, network);
  for (const { xml, state, reason, ...rest } of guests) {
    const domain = Object.assign(libvirt.launch(xml), rest);
    enter(domain, state, reason, libvirt.clock.now());
    domain.ranMs = rest.ranMs;
  }
}
