/** What a site file may not say against itself. Pure. */
import { destinationFaults } from '../activity/destination-rules.ts';
import { pairFaults } from '../host/certificate.ts';
import { portFault } from '../network/rules.ts';
import type { Site } from './schema.ts';

export interface Clash {
  path: (string | number)[];
  message: string;
}

/** The name that a VM's disk has, given or made from the name of the VM. */
export function diskName(vm: { name: string }, disk: { name?: string | undefined; disk?: string | undefined }, index: number): string {
  return disk.disk ?? disk.name ?? `${vm.name.slice(0, 48)}-disk${index + 1}`;
}

/** Things that have the same name, or the same disk or address, twice; addresses that no port can have; a certificate that cannot serve. */
export function clashes(site: Site): Clash[] {
  const lists = ['destinations', 'storageDomains', 'networks', 'roles', 'users', 'groups', 'vms'] as const;
  const names = lists.flatMap((list) => twice(site[list].map(({ name }, index) => ({ key: name.replace(/@internal$/, ''), path: [list, index, 'name'] })), 'This name stands here twice.'));
  const images = twice(site.images.map(({ name, domain }, index) => ({ key: `${domain}/${name}`, path: ['images', index, 'name'] })), 'This image stands here twice.');
  const vmDisks = site.vms.flatMap((vm, place) => vm.disks.map((disk, index) => ({ key: diskName(vm, disk, index), isNew: disk.disk === undefined, path: ['vms', place, 'disks', index, disk.disk === undefined ? 'name' : 'disk'] })));
  const ownDisks = site.disks.map(({ name }, index) => ({ key: name, path: ['disks', index, 'name'] }));
  const made = twice([...ownDisks, ...vmDisks.filter(({ isNew }) => isNew)], 'Another disk of this file has the same name.');
  const shared = twice(vmDisks, 'Another VM of this file has the same disk.').filter(({ path }) => path.at(-1) === 'disk');
  const macs = twice(site.vms.flatMap((vm, place) => vm.nics.flatMap(({ mac }, index) => (mac ? [{ key: mac, path: ['vms', place, 'nics', index, 'mac'] }] : []))), 'Another network interface of this file has the same address.');
  const ports = twice(site.ports.map(({ port }, index) => ({ key: port.toLowerCase(), path: ['ports', index, 'port'] })), 'This port stands here twice.');
  const quotas = twice(site.quotas.map(({ user, group }, index) => ({ key: user === undefined ? `group ${group}` : `user ${user.replace(/@internal$/, '')}`, path: ['quotas', index, user === undefined ? 'group' : 'user'] })), 'Its quota stands here twice.');
  return [...names, ...quotas, ...images, ...made, ...shared, ...macs, ...ports, ...portFaults(site), ...destinationClashes(site), ...certificateFaults(site)];
}

function portFaults({ ports }: Site): Clash[] {
  return ports.flatMap(({ method, address = null, gateway = null }, index) =>
    portFault({ method, address, gateway }).map(({ path, message }) => ({ path: ['ports', index, path], message })));
}

function destinationClashes({ destinations }: Site): Clash[] {
  return destinations.flatMap((wanted, index) => destinationFaults(wanted).map(({ path, message }) => ({ path: ['destinations', index, path], message })));
}

/** Whether it has ended is seen when it is applied: a file is checked on other machines and on other days. */
function certificateFaults({ certificate }: Site): Clash[] {
  return certificate ? pairFaults(certificate, 0).map(({ path, message }) => ({ path: ['certificate', path], message })) : [];
}

function twice(items: { key: string; path: Clash['path'] }[], message: string): Clash[] {
  const seen = new Set<string>();
  return items.flatMap(({ key, path }) => {
    const isSecond = seen.has(key);
    seen.add(key);
    return isSecond ? [{ path, message }] : [];
  });
}

/** Whether a file that was found, is right and was never seen here is applied without asking. */
export function mayApply({ current, onNewFile, isSetUp }: { current: { state: string; isFound: boolean } | undefined; onNewFile: 'ask' | 'apply' | undefined; isSetUp: boolean }): boolean {
  if (onNewFile === 'apply') return true;
  return current === undefined ? !isSetUp : current.isFound && current.state === 'failed';
}

const minute = 60_000;

/** A minute, then twice as long each time, up to an hour. */
export function retryPauseMs(failures: number): number {
  return Math.min(minute * 2 ** Math.max(0, failures - 1), 60 * minute);
}
