/**
 * The appliance as a site file that rebuilds it on an empty machine. What no file can hold is told in comments: the content of disks, and
 * where installation images come from, which are then looked for on the stick. Pure.
 */
import { Document, isMap, isSeq, type Node, type YAMLMap } from 'yaml';
import { type DestinationSecrets, settingNames } from '../activity/destination-rules.ts';
import { HistorySettings } from '../activity/schema.ts';
import { UpdatePolicy } from '../update/schema.ts';
import { formatBytes, parseBytes } from '../core/units.ts';
import type { Current } from './current.ts';
import { SiteVm } from './schema.ts';
import type { GuestSecrets } from '../vm/vm.ts';
import type { GuestSecret } from '../vm/cloud-init/settings.ts';
import type { WindowsDetails } from '../vm/cloud-init/windows/schema.ts';
import { VmDefaults } from '../vm/defaults/schema.ts';
import { diskNames, hardwareNames, nicNames, plainDisk, plainHardware, plainNic, systemDefaults } from '../vm/definition/hardware.ts';

export interface ExportOptions {
  /** By user name; none in an export without secrets. */
  passwordHashes: ReadonlyMap<string, string>;
  /** What disks were filled with when they were made, by name. */
  contents: ReadonlyMap<string, Record<string, unknown>>;
  /** Sections of the applied file that are only stored. */
  stored: Record<string, unknown>;
  hasSecrets: boolean;
  /** By the name of the destination of events; none in an export without secrets. */
  destinationSecrets: ReadonlyMap<string, DestinationSecrets>;
  /** The one that people gave, with its key; none in an export without secrets. */
  certificate: { chain: string; key: string } | undefined;
  /** Of the passwords that guests are told; none in an export without secrets. */
  guestSecrets: GuestSecrets;
}

const freshVm = { ...SiteVm.parse({ name: 'a' }), firmware: systemDefaults('other').firmware, ...plainHardware } as Record<string, unknown>; // the defaults, which need not be written

export function exportSite(current: Current, options: ExportOptions): string {
  const attached = new Set(current.vms.flatMap(({ disks }) => disks.map(({ id }) => id)));
  const ofPools = new Set(current.pools.flatMap(({ members }) => members.map(({ id }) => id)));
  const lists = {
    ports: current.hostNetwork.ports.flatMap(({ name, settings }) => (settings ? [exportPort(name, settings)] : [])),
    destinations: current.destinations.map((destination) => exportDestination(destination, options)),
    storageDomains: current.domains.map(({ name, description, lowSpacePercent, criticalSpaceBytes }) => ({ name, description, lowSpacePercent, criticalSpaceBytes: size(criticalSpaceBytes) })),
    networks: current.networks.map(exportNetwork),
    roles: current.roles.map(({ name, description, permissions }) => ({ name, ...(description && { description }), permissions })),
    users: current.users.map(({ name, roles }) => ({ name, roles, ...(options.passwordHashes.has(name) && { passwordHash: options.passwordHashes.get(name) }) })),
    groups: current.groups.map(({ name, description, roles, members }) => ({ name, ...(description && { description }), roles, members })),
    quotas: current.quotas.map(exportQuota),
    images: current.images.map(({ name, domain, sha256 }) => ({ name, domain, file: name, ...(sha256 && { sha256 }) })),
    disks: current.disks.filter(({ id, state }) => !attached.has(id) && state !== 'template').map((disk) => ({ name: disk.name, ...(disk.description && { description: disk.description }), ...exportDisk(disk, options) })),
    vms: current.vms.filter(({ id }) => !ofPools.has(id)).map((vm) => exportVm(vm, current, options)),
    pools: current.pools.map(({ name, description, template, size: count, prestarted, cloudInit }) => ({ name, ...(description && { description }), template, size: count, ...(prestarted > 0 && { prestarted }), ...(cloudInit && { cloudInit: exportCloudInit(cloudInit, options.guestSecrets.pools.get(name)) }) })),
    access: current.access.filter(({ objectId }) => !ofPools.has(objectId)).map(({ user, group, role, kind, object }) => ({ ...(user === null ? { group } : { user }), role, kind, object })),
  };
  const host = Object.fromEntries(Object.entries(current.host.wanted).filter(([, value]) => value !== null));
  const filled = Object.fromEntries(Object.entries(lists).filter(([, list]) => list.length > 0));
  const { generation, ...signIn } = current.signIn;
  const document = new Document({ bothy: 1, ...(Object.keys(host).length > 0 && { host }), ...(options.certificate && { certificate: options.certificate }), ...(generation > 0 && { signIn }), ...(current.history.generation > 0 && { history: HistorySettings.parse(current.history) }), ...(current.vmDefaults.generation > 0 && { vmDefaults: VmDefaults.parse(current.vmDefaults) }), ...(current.updates.generation > 0 && { updates: UpdatePolicy.parse(current.updates) }), ...filled, ...options.stored });
  comment(document, options);
  return document.toString({ lineWidth: 140 });
}

function comment(document: Document, { hasSecrets }: ExportOptions): void {
  document.commentBefore = [
    ' A site file of Bothy: applied to an empty machine, it makes the same users, networks, images, disks and VMs.',
    hasSecrets ? ' It holds password hashes and other secrets. Keep it as you would keep a key.' : ' It holds no secrets: users cannot sign in before they are given a password (export with secrets, or "bothy site hash-password").',
    ' It does not hold what is written on disks: they are made empty, or filled with what they were made from.',
  ].join('\n');
  const before = (key: string, text: string) => {
    const map = document.contents as YAMLMap<Node, Node> | null; // made from an object
    const pair = map?.items.find((item) => String(item.key) === key);
    if (pair && (isSeq(pair.value) || isMap(pair.value))) pair.key.commentBefore = text;
  };
  before('images', ' Put these files on the stick beside this one, or name their addresses with "url".');
}

function exportPort(port: string, { method, address, gateway, dns }: NonNullable<Current['hostNetwork']['ports'][number]['settings']>): Record<string, unknown> {
  return { port, method, ...(address && { address }), ...(gateway && { gateway }), ...(dns.length > 0 && { dns }) };
}

function exportDestination(destination: Current['destinations'][number], { destinationSecrets }: ExportOptions): Record<string, unknown> {
  const { name, kind, isEnabled, severity, kinds } = destination;
  const settings = settingNames.filter((setting) => (Array.isArray(destination[setting]) ? destination[setting].length > 0 : destination[setting] !== null)).map((setting) => [setting, destination[setting]]);
  return { name, kind, ...(!isEnabled && { isEnabled }), severity, ...(kinds.length > 0 && { kinds }), ...Object.fromEntries(settings), ...destinationSecrets.get(name) };
}

function exportQuota({ user, group, vcpus, memoryBytes, diskBytes, gracePercent, mode }: Current['quotas'][number]): Record<string, unknown> {
  const limits = { ...(vcpus !== null && { vcpus }), ...(memoryBytes !== null && { memoryBytes: size(memoryBytes) }), ...(diskBytes !== null && { diskBytes: size(diskBytes) }) };
  return { ...(user === null ? { group } : { user }), ...limits, ...(gracePercent > 0 && { gracePercent }), ...(mode !== 'enforced' && { mode }) };
}

function exportNetwork({ name, kind, description, subnet, bridge }: Current['networks'][number]): Record<string, unknown> {
  // libvirt's own network has the subnet that it has.
  const isOwn = name === 'default';
  return { name, kind, ...(description && { description }), ...(kind === 'nat' && subnet && !isOwn && { subnet }), ...(kind === 'bridge' && { bridge }) };
}

/** With its unit where that says it exactly. */
function size(bytes: number): number | string {
  const text = formatBytes(bytes);
  return parseBytes(text) === bytes ? text : bytes;
}

function exportDisk({ name, sizeBytes, format, allocation, domain }: Current['disks'][number], { contents }: ExportOptions): Record<string, unknown> {
  const content = contents.get(name);
  return { sizeBytes: size(sizeBytes), format, allocation, domain, ...(content && { content }) };
}

function exportVm(vm: Current['vms'][number], current: Current, options: ExportOptions): Record<string, unknown> {
  const { name, description, vcpus, memoryBytes, firmware, bootOrder, autostart, cdrom, tier, startOrder, startDelaySeconds, startAfter, healthProbe } = vm;
  const hardware = Object.fromEntries(hardwareNames.map((key) => [key, vm[key]]));
  const startup = { tier, startOrder, startDelaySeconds, startAfter, healthProbe };
  // What the guest system decides is written out: it is what this VM has, whatever a later version makes of that system.
  const settings = Object.entries({ description, ...hardware, vcpus, memoryBytes, firmware, bootOrder, autostart, cdrom, ...startup })
    .filter(([key, value]) => (vm.os !== 'other' && !(key in startup)) || JSON.stringify(value) !== JSON.stringify(freshVm[key]))
    .map(([key, value]) => [key, key.endsWith('Bytes') && typeof value === 'number' ? size(value) : value]);
  const isPlain = vm.os === 'other';
  const disks = vm.disks.filter(({ pending }) => !pending.some((wait) => wait === 'detach' || wait === 'delete')).flatMap((plugged) => current.disks.filter(({ id }) => id === plugged.id).map((disk) => ({ name: disk.name, ...exportDisk(disk, options), ...unlike(diskNames, plugged, isPlain ? plainDisk : { ...plainDisk, bus: undefined }) })));
  const nics = vm.nics.map((nic) => ({ network: nic.network, mac: nic.mac, ...unlike(nicNames, nic, isPlain ? plainNic : { ...plainNic, model: undefined }) }));
  const told = current.cloudInits[vm.id];
  return { name, ...Object.fromEntries(settings), ...(told && { cloudInit: exportCloudInit(told, options.guestSecrets.vms.get(name)) }), ...(disks.length > 0 && { disks }), ...(nics.length > 0 && { nics }), ...(vm.hostDevices.length > 0 && { hostDevices: vm.hostDevices.map(({ device }) => ({ device })) }) };
}

function exportCloudInit(told: Partial<Current['cloudInits'][string]>, secret: GuestSecret | undefined): Record<string, unknown> {
  const given = (['user', 'sshKeys', 'hostname', 'interfaces', 'userData', 'networkConfig'] as const).filter((name) => (Array.isArray(told[name]) ? told[name].length > 0 : told[name] !== null && told[name] !== undefined));
  return { ...Object.fromEntries(given.map((name) => [name, told[name]])), ...(secret?.passwordHash && { passwordHash: secret.passwordHash }), ...(told.windows && { windows: exportWindows(told.windows, secret) }) };
}

function exportWindows({ hasPassword: _set, hasProductKey: _given, ...told }: WindowsDetails, secret: GuestSecret | undefined): Record<string, unknown> {
  return Object.fromEntries(Object.entries({ ...told, ...secret?.windows }).filter(([, value]) => value !== null));
}

/** What is not as usual. */
function unlike<K extends string>(names: readonly K[], is: Record<K, unknown>, usual: Record<K, unknown>): Record<string, unknown> {
  return Object.fromEntries(names.filter((name) => is[name] !== usual[name]).map((name) => [name, is[name]]));
}
