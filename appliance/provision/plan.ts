/**
 * From what is to what a site file wishes, as steps that people can read and the apply task carries out. Pure.
 *
 * A file makes what is missing and changes what it names; it deletes nothing, shrinks nothing, fills no disk that was there before, and
 * stops no VM. Of a thing that is there already only the keys that stand in the file are compared: what is left out is left alone.
 */
import type * as z from 'zod';
import { formatBytes, parseBytes } from '../core/units.ts';
import { certificateFacts } from '../host/certificate.ts';
import type { DestinationSecrets } from '../activity/destination-rules.ts';
import type { Current } from './current.ts';
import { planDestinations } from './plan-destinations.ts';
import { planAccess, planGroups, planQuotas, planRoles, planSignIn, planUsers } from './plan-people.ts';
import { planPools } from './plan-pools.ts';
import { planPorts } from './plan-ports.ts';
import { planVms, planStarts } from './plan-vms.ts';
import { diskName } from './rules.ts';
import type { Content, PlanStep, Site } from './schema.ts';

export type Section = 'host' | 'ports' | 'certificate' | 'signIn' | 'history' | 'destinations' | 'updates' | 'roles' | 'users' | 'groups' | 'quotas' | 'storageDomains' | 'networks' | 'images' | 'disks' | 'vms' | 'pools' | 'access' | 'starts';
export const sections: readonly Section[] = ['host', 'ports', 'certificate', 'signIn', 'history', 'destinations', 'updates', 'roles', 'users', 'groups', 'quotas', 'storageDomains', 'networks', 'images', 'disks', 'vms', 'pools', 'access', 'starts'];

/** How a step is carried out; none for a conflict or a note. */
export type Action =
  | { do: 'perform'; operation: string; input: Record<string, unknown> }
  | { do: 'fetch'; image: Site['images'][number] }
  | { do: 'fill'; disk: NewDisk; content: Content };

export type NewDisk = { name: string; description?: string | undefined; sizeBytes: number; format?: 'raw' | 'cow' | undefined; allocation?: 'sparse' | 'preallocated' | undefined; domain?: string | undefined };

export type Step = z.output<typeof PlanStep> & { section: Section; action?: Action };

export interface Wish {
  site: Site;
  /** The file as it was written: which keys stand in it. */
  document: unknown;
  current: Current;
  /** Users whose password is not the wished one. */
  otherPasswords: ReadonlySet<string>;
  /** Secrets of destinations of events that are not the wished ones, by its name. */
  otherSecrets: ReadonlyMap<string, (keyof DestinationSecrets)[]>;
  /** Names of disks that were promised content and did not get it yet. */
  promised: ReadonlySet<string>;
}

export function planSite(wish: Wish): Step[] {
  return [...planHost(wish), ...planPorts(wish), ...planCertificate(wish), ...planSignIn(wish), ...planHistory(wish), ...planDestinations(wish), ...planUpdates(wish), ...planRoles(wish), ...planUsers(wish), ...planGroups(wish), ...planQuotas(wish), ...planDomains(wish), ...planNetworks(wish), ...planImages(wish), ...planDisks(wish), ...planVms(wish), ...planPools(wish), ...planAccess(wish), ...planStarts(wish)];
}

/** A section's entries with the keys that stand in the file. */
export function entries<K extends 'destinations' | 'roles' | 'users' | 'groups' | 'quotas' | 'storageDomains' | 'networks' | 'vms' | 'pools'>({ site, document }: Pick<Wish, 'site' | 'document'>, section: K): { wanted: Site[K][number]; given: Record<string, unknown> }[] {
  const written = (document as Record<string, Record<string, unknown>[] | undefined>)[section] ?? []; // checked by the schema
  return (site[section] as Site[K][number][]).map((wanted, index) => ({ wanted, given: written[index] ?? {} }));
}

/** The fields of `given` in which `wanted` is not what is; with words for people. */
export function differences(names: readonly string[], { wanted, given, is }: { wanted: object; given: object; is: object }): { changes: Record<string, unknown>; details: string[] } {
  const [wish, fact] = [wanted as Record<string, unknown>, is as Record<string, unknown>];
  const changed = names.filter((name) => name in given && JSON.stringify(wish[name]) !== JSON.stringify(fact[name]));
  return {
    changes: Object.fromEntries(changed.map((name) => [name, wish[name]])),
    details: changed.map((name) => `${name}: ${shown(name, fact[name])} -> ${shown(name, wish[name])}`),
  };
}

function shown(name: string, value: unknown): string {
  if (value === '' || value === null || value === undefined) return '-';
  if (typeof value === 'number' && name.endsWith('Bytes')) return exactSize(value);
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** With its unit where that says it exactly. */
export function exactSize(bytes: number): string {
  const text = formatBytes(bytes);
  return parseBytes(text) === bytes ? text : `${bytes} bytes`;
}

export const perform = (operation: string, input: Record<string, unknown>): Action => ({ do: 'perform', operation, input });
export const step = (section: Section, verb: Step['verb'], name: string, details: string[], action?: Action): Step => ({ section, verb, name, details, ...(action && { action }) });

function planHost({ site: { host }, current }: Wish): Step[] {
  if (!host) return [];
  const { changes, details } = differences(Object.keys(host), { wanted: host, given: host, is: current.host.wanted });
  if (details.length === 0) return [];
  const told = current.host.isManaged ? [] : ['This machine is not Bothy\'s own: the wish is kept and nothing is touched.'];
  const shownDetails = details.map((line) => (line.startsWith('sshKeys') ? `sshKeys: ${host.sshKeys?.length ?? 0} keys` : line));
  return [step('host', 'change', current.host.actual.hostname, [...shownDetails, ...told], perform('host.edit-settings', { host: 'this', ...changes }))];
}

function planHistory({ site: { history }, current }: Wish): Step[] {
  if (!history) return [];
  const { changes, details } = differences(Object.keys(history), { wanted: history, given: history, is: current.history });
  return details.length === 0 ? [] : [step('history', 'change', 'history', details, perform('history.edit', changes))];
}

function planUpdates({ site: { updates }, current }: Wish): Step[] {
  if (!updates) return [];
  const { changes, details } = differences(Object.keys(updates), { wanted: updates, given: updates, is: current.updates });
  return details.length === 0 ? [] : [step('updates', 'change', 'updates', details, perform('update.edit-policy', changes))];
}

function planCertificate({ site: { certificate }, current }: Wish): Step[] {
  if (!certificate) return [];
  const { fingerprint, subject, validTo } = certificateFacts(certificate.chain);
  if (current.certificate?.fingerprint === fingerprint) return [];
  const until = new Date(validTo).toISOString().slice(0, 10);
  return [step('certificate', 'change', subject, [`valid to ${until}`], perform('host.set-certificate', { host: 'this', ...certificate }))];
}

function planDomains(wish: Wish): Step[] {
  const { domains } = wish.current;
  return entries(wish, 'storageDomains').flatMap(({ wanted, given }) => {
    const is = domains.find(({ name }) => name === wanted.name);
    if (!is) return step('storageDomains', 'conflict', wanted.name, [`There is no such storage domain, and this version makes no new ones. There are: ${domains.map(({ name }) => name).join(', ')}.`]);
    const { changes, details } = differences(['description', 'lowSpacePercent', 'criticalSpaceBytes'], { wanted, given, is });
    return details.length === 0 ? [] : step('storageDomains', 'change', wanted.name, details, perform('storage-domain.edit', { domain: is.id, ...changes }));
  });
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

export function sourceText({ url, file }: { url?: string | undefined; file?: string | undefined }): string {
  if (url === undefined) return `file ${file ?? ''}`;
  const { host, pathname } = new URL(url);
  return `${host}${pathname}`; // what follows a "?" may be a key
}

function planImages({ site, current }: Wish): Step[] {
  return site.images.flatMap((image) => {
    const domain = current.domains.find(({ name, id }) => name === image.domain || id === image.domain);
    if (domain?.kind !== 'iso') return step('images', 'conflict', image.name, [`There is no storage domain "${image.domain}" for installation images.`]);
    const is = current.images.find(({ name, domain: holder }) => name === image.name && holder === domain.name);
    const isOther = is !== undefined && image.sha256 !== undefined && is.sha256 !== null && is.sha256 !== image.sha256;
    if (is && !isOther) return [];
    const using = is?.usedBy.map(({ name }) => name).join(', ');
    if (using) return step('images', 'conflict', image.name, [`It has other content, and ${using} uses it. Eject it there, or give the new one another name.`]);
    return step('images', 'fetch', image.name, [`from ${sourceText(image)}`], { do: 'fetch', image });
  });
}

function planDisks({ site, current, promised }: Wish): Step[] {
  const own = site.disks.flatMap(({ content, ...disk }) => {
    const is = current.disks.find(({ name }) => name === disk.name);
    if (content) return planFilled(disk, content, { is, promised });
    if (!is) return step('disks', 'create', disk.name, [], perform('disk.create', disk));
    return planSize('disks', disk, is);
  });
  const ofVms = site.vms.flatMap((vm) => vm.disks.flatMap(({ content, sizeBytes = 0, format, allocation, domain, ...disk }, index) => {
    const name = diskName(vm, disk, index);
    const is = current.disks.find((each) => each.name === name);
    return content ? planFilled({ name, sizeBytes, ...(format && { format }), ...(allocation && { allocation }), ...(domain && { domain }) }, content, { is, promised }) : [];
  }));
  return [...own, ...ofVms];
}

function planFilled(disk: NewDisk, content: Content, { is, promised }: { is: Current['disks'][number] | undefined; promised: ReadonlySet<string> }): Step[] {
  if (!is || promised.has(disk.name)) return [step('disks', 'fill', disk.name, [`from ${sourceText(content)}`], { do: 'fill', disk, content })];
  return planSize('disks', disk, is);
}

/** A disk that is there: it can grow, and that is all. */
export function planSize(section: Section, wanted: NewDisk, is: { id: string; name: string; sizeBytes: number; format: string; allocation: string }): Step[] {
  const fixed = (['format', 'allocation'] as const).filter((name) => wanted[name] !== undefined && wanted[name] !== is[name]);
  if (fixed.length > 0) return [step(section, 'conflict', is.name, fixed.map((name) => `${name}: is ${is[name]}, and a disk keeps it`))];
  if (wanted.sizeBytes < is.sizeBytes) return [step(section, 'note', is.name, [`has ${exactSize(is.sizeBytes)}, more than the file says: a disk never shrinks`])];
  return wanted.sizeBytes === is.sizeBytes ? [] : [step(section, 'change', is.name, [`sizeBytes: ${exactSize(is.sizeBytes)} -> ${exactSize(wanted.sizeBytes)}`], perform('disk.resize', { disk: is.id, sizeBytes: wanted.sizeBytes }))];
}
