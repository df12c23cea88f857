/**
 * From what is to what a site file wishes, as steps that people can read and the apply task carries out. Pure.
 *
 * A file makes what is missing and changes what it names; it deletes nothing, shrinks nothing, fills no disk that was there before, and
 * stops no VM. Of a thing that is there already only the keys that stand in the file are compared: what is left out is left alone.
 */
import { planDestinations } from './plan-destinations.ts';
import { planCertificate, planHistory, planHost, planUpdates, planVmDefaults } from './plan-host.ts';
import { planAccess, planGroups, planQuotas, planRoles, planSignIn, planUsers } from './plan-people.ts';
import { planPools } from './plan-pools.ts';
import { planPorts } from './plan-ports.ts';
import { differences, entries, perform, type Step, step, type Wish } from './plan-step.ts';
import { planDisks, planDomains, planImages } from './plan-storage.ts';
import { planStarts, planVms } from './plan-vms.ts';

export function planSite(wish: Wish): Step[] {
  return [...planHost(wish), ...planPorts(wish), ...planCertificate(wish), ...planSignIn(wish), ...planHistory(wish), ...planVmDefaults(wish), ...planDestinations(wish), ...planUpdates(wish), ...planRoles(wish), ...planUsers(wish), ...planGroups(wish), ...planQuotas(wish), ...planDomains(wish), ...planNetworks(wish), ...planImages(wish), ...planDisks(wish), ...planVms(wish), ...planPools(wish), ...planAccess(wish), ...planStarts(wish)];
}

function planNetworks(wish: Wish): Step[] {
  return entries(wish, 'networks').flatMap(({ wanted, given }) => {
    const is = wish.current.networks.find(({ name }) => name === wanted.name);
    if (!is) {
      const { kind, subnet, bridge } = wanted;
      return step('networks', 'create', wanted.name, [kind === 'nat' ? `NAT${subnet ? ` ${subnet}` : ''}` : `bridge ${bridge ?? ''}`], perform('network.create', { ...wanted }));
    }
    const fixed = differences(['kind', ...(is.subnet === null ? [] : ['subnet'])], { wanted, given, is });
    if (fixed.details.length > 0) return step('networks', 'conflict', wanted.name, [...fixed.details, 'A network keeps its kind and its subnet. Name another network, or delete this one first.']);
    const { changes, details } = differences(['description', ...(is.kind === 'bridge' ? ['bridge'] : [])], { wanted, given, is });
    return details.length === 0 ? [] : step('networks', 'change', wanted.name, details, perform('network.update', { network: is.id, ...changes }));
  });
}
