/** The addresses of the machine's own ports, from what is to what a site file wishes. Pure. */
import { findPort, noPort } from '../network/rules.ts';
import { perform, step, type Step, type Wish } from './plan-step.ts';

/** How long the network behind a port may take to answer: a switch that got power together with this machine needs most of it. */
const confirmSeconds = 120;

export function planPorts({ site, current: { hostNetwork } }: Wish): Step[] {
  return site.ports.flatMap(({ port: given, ...wanted }) => {
    const port = findPort(hostNetwork.ports, given);
    if (!port) return step('ports', 'conflict', given, [noPort(hostNetwork.ports, given)]);
    const is = port.settings;
    const details = (['method', 'address', 'gateway', 'dns'] as const).flatMap((name) => {
      const [before, after] = [shown(is?.[name]), shown(wanted[name])];
      return before === after ? [] : [`${name}: ${before} -> ${after}`];
    });
    if (details.length === 0) return [];
    if (!hostNetwork.isManaged) return step('ports', 'note', port.name, ['This machine is not Bothy\'s own: its addresses are left alone.']);
    return step('ports', 'change', port.name, details, perform('host-network.set', { host: 'this', port: port.name, ...wanted, confirmBy: 'network', confirmSeconds }));
  });
}

const shown = (value: string | readonly string[] | null | undefined): string => [value ?? []].flat().join(', ') || '-';
