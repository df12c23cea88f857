/** The part of a plan that is about VMs. Pure. */
import type { Current } from './current.ts';
import { cloudInitChanges } from './plan-cloud-init.ts';
import { differences, entries, exactSize, perform, type Step, step, type Wish } from './plan-step.ts';
import { planSize } from './plan-storage.ts';
import { diskName } from './rules.ts';
import type { SiteVmWish } from './schema.ts';
import { diskNames, hardwareNames, nicNames } from '../vm/definition/hardware.ts';

type Vm = Current['vms'][number];

const settings = ['description', 'vcpus', 'memoryBytes', 'firmware', 'bootOrder', 'autostart', 'tier', 'startOrder', 'startDelaySeconds', 'healthProbe', ...hardwareNames];

/** Whom a VM starts after may come later in the file. */
export function planVms(wish: Wish): Step[] {
  return [...planEach(wish), ...planStartAfter(wish)];
}

function planStartAfter(wish: Wish): Step[] {
  return entries(wish, 'vms').flatMap(({ wanted, given }) => {
    const is = wish.current.vms.find(({ name }) => name === wanted.name);
    const { changes, details } = differences(['startAfter'], { wanted, given, is: is ?? { startAfter: [] } });
    return details.length === 0 ? [] : [step('vms', 'change', wanted.name, details, perform('vm.edit', { vm: is?.id ?? wanted.name, ...changes }))];
  });
}

function planEach(wish: Wish): Step[] {
  return entries(wish, 'vms').flatMap(({ wanted, given }) => {
    const is = wish.current.vms.find(({ name }) => name === wanted.name);
    const lacks = missing(wish, wanted, given, is);
    if (lacks.length > 0) return [step('vms', 'conflict', wanted.name, lacks)];
    return is ? planVm(wish, wanted, given, is) : [planNew(wish, wanted)];
  });
}

/** What the VM refers to and neither the file nor the appliance has. */
function missing({ site, current }: Wish, wanted: SiteVmWish, given: object, is: Vm | undefined): string[] {
  const has = (list: readonly { name: string }[], name: string) => list.some((each) => each.name === name);
  const cdrom = wanted.cdrom !== null && (!is || 'cdrom' in given) && !has(site.images, wanted.cdrom) && !has(current.images, wanted.cdrom) ? [`There is no installation image "${wanted.cdrom}".`] : [];
  const floppy = wanted.floppy && wanted.floppy !== is?.floppy && !has(site.images, wanted.floppy) && !has(current.images, wanted.floppy) ? [`There is no floppy disk "${wanted.floppy}".`] : [];
  const networks = wanted.nics.filter(({ network }) => !has(site.networks, network) && !current.networks.some(({ name, id }) => name === network || id === network)).map(({ network }) => `There is no network "${network}".`);
  const disks = wanted.disks.flatMap(({ disk }) => {
    if (disk === undefined || has(site.disks, disk)) return [];
    const found = current.disks.find(({ name, id }) => name === disk || id === disk);
    if (!found) return [`There is no disk "${disk}".`];
    const user = found.usedBy.find(({ name }) => name !== wanted.name);
    return user ? [`The disk "${disk}" belongs to ${user.name}.`] : [];
  });
  const others = wanted.startAfter.filter((name) => !has(site.vms, name) && !current.vms.some((vm) => vm.name === name || vm.id === name)).map((name) => `There is no VM "${name}" to start after.`);
  return [...cdrom, ...floppy, ...networks, ...disks, ...others];
}

/** Disks that are there by then (filled before, or left by a VM that was deleted) are attached, others are made with the VM. */
function deviceOf({ current }: Wish, vm: SiteVmWish, index: number): Record<string, unknown> {
  const { content, ...disk }: Partial<SiteVmWish['disks'][number]> = vm.disks[index] ?? {};
  const name = diskName(vm, disk, index);
  const plugged = Object.fromEntries(Object.entries(disk).filter(([key]) => (diskNames as string[]).includes(key)));
  if (disk.disk !== undefined) return { ...plugged, disk: disk.disk };
  if (content || current.disks.some((each) => each.name === name)) return { ...plugged, disk: name };
  return { ...disk, name };
}

function planNew(wish: Wish, wanted: SiteVmWish): Step {
  const disks = wanted.disks.map((_disk, index) => deviceOf(wish, wanted, index));
  const taken = wanted.disks.flatMap((disk, index) => wish.current.disks.find(({ name }) => name === diskName(wanted, disk, index))?.usedBy ?? []);
  if (taken.length > 0) return step('vms', 'conflict', wanted.name, [`A disk of its name belongs to ${taken[0]?.name}. Name the disk otherwise.`]);
  const details = [`processors: ${wanted.vcpus}, memory: ${exactSize(wanted.memoryBytes)}, disks: ${disks.length}, network interfaces: ${wanted.nics.length}`];
  return step('vms', 'create', wanted.name, details, perform('vm.create', { ...wanted, disks, startAfter: [] }));
}

function planVm(wish: Wish, wanted: SiteVmWish, given: Record<string, unknown>, is: Vm): Step[] {
  const { changes, details } = differences(settings, { wanted, given, is });
  const edit = details.length > 0 ? [step('vms', 'change', is.name, [...details, ...(is.state === 'down' ? [] : ['what cannot change while it runs holds from its next start on'])], perform('vm.edit', { vm: is.id, ...changes }))] : [];
  const isOtherCdrom = 'cdrom' in given && wanted.cdrom !== is.cdrom;
  const cdrom = isOtherCdrom ? [step('vms', 'change', is.name, [`cdrom: ${is.cdrom ?? '-'} -> ${wanted.cdrom ?? '-'}`], perform('vm.change-cdrom', { vm: is.id, iso: wanted.cdrom }))] : [];
  return [...edit, ...cdrom, ...planCloudInit(wish, { wanted, given, is }), ...planVmDisks(wish, { wanted, given, is }), ...planNics(wish, { wanted, given, is }), ...planHostDevices({ wanted, given, is })];
}

interface Compared {
  wanted: SiteVmWish;
  given: Record<string, unknown>;
  is: Vm;
}

function planCloudInit({ current, guestSecrets }: Wish, { wanted, given, is }: Compared): Step[] {
  if (!wanted.cloudInit) return [];
  const known = current.cloudInits[is.id];
  const { changes, names } = cloudInitChanges(wanted.cloudInit, given['cloudInit'] as Record<string, unknown>, known, { hasPassword: known?.hasPassword ?? false, secret: guestSecrets.vms.get(is.name) }); // checked by the schema
  if (known && names.length === 0) return [];
  return [step('vms', 'change', is.name, [`cloud-init: ${names.join(', ') || 'hostname'}`], perform('vm.edit-cloud-init', { vm: is.id, ...changes }))];
}

/** An entry of a list as it was written: which keys stand in it. */
const writtenAt = (given: Record<string, unknown>, list: 'disks' | 'nics', index: number) => (given[list] as Record<string, unknown>[] | undefined)?.[index] ?? {}; // checked by the schema

function planVmDisks(wish: Wish, { wanted, given, is }: Compared): Step[] {
  return wanted.disks.flatMap((disk, index) => {
    const name = diskName(wanted, disk, index);
    const known = is.disks.find((each) => each.name === name || each.id === name);
    const { sizeBytes, format, allocation } = disk;
    if (known) {
      const { changes, details } = differences(diskNames, { wanted: disk, given: writtenAt(given, 'disks', index), is: known });
      const edit = details.length > 0 ? [step('vms', 'change', is.name, details.map((detail) => `disk ${name}: ${detail}`), perform('vm.edit-disk', { vm: is.id, disk: known.id, ...changes }))] : [];
      return [...edit, ...(sizeBytes === undefined || disk.content ? [] : planSize('vms', { name, sizeBytes, format, allocation }, known))];
    }
    const other = wish.current.disks.find((each) => each.name === name)?.usedBy.find((user) => user.id !== is.id);
    if (other) return step('vms', 'conflict', is.name, [`A disk "${name}" belongs to ${other.name}. Name the disk otherwise.`]);
    return step('vms', 'attach', is.name, [`disk ${name}`], perform('vm.attach-disk', { vm: is.id, ...deviceOf(wish, wanted, index) }));
  });
}

/** Those that the file names are given; others stay. */
function planHostDevices({ wanted, is }: Compared): Step[] {
  const missing = wanted.hostDevices.filter(({ device }) => !is.hostDevices.some((each) => each.device === device));
  return missing.map(({ device }) => step('vms', 'attach', is.name, [`hostDevices: ${device}`], perform('vm.pass-device', { vm: is.id, device })));
}

/** Network interfaces by their address; those without one by how many there are on each network. */
function planNics({ current }: Wish, { wanted, given, is }: Compared): Step[] {
  const nameOf = (network: string) => current.networks.find(({ id }) => id === network)?.name ?? network;
  const named = new Set(wanted.nics.flatMap(({ mac }) => mac ?? []));
  const free = is.nics.filter(({ mac }) => !named.has(mac));
  return wanted.nics.flatMap((nic, index) => {
    const { mac, network } = nic;
    const same = mac ? is.nics.find((nic) => nic.mac === mac) : free.splice(free.findIndex((nic) => nic.network === nameOf(network)), free.some((nic) => nic.network === nameOf(network)) ? 1 : 0)[0];
    if (!same) return step('vms', 'attach', is.name, [`network interface on ${nameOf(network)}`], perform('vm.add-nic', { vm: is.id, ...nic }));
    const { changes, details } = differences(nicNames, { wanted: nic, given: writtenAt(given, 'nics', index), is: same });
    const moves = same.network === nameOf(network) ? {} : { network };
    const all = [...('network' in moves ? [`network: ${same.network} -> ${nameOf(network)}`] : []), ...details];
    return all.length > 0 ? [step('vms', 'change', is.name, all.map((detail) => `network interface ${same.mac}: ${detail}`), perform('vm.edit-nic', { vm: is.id, nic: same.id, ...moves, ...changes }))] : [];
  });
}

/** Nobody decided that these are down; one that somebody has stopped stays down. */
const undecided = ['new', 'start-failed'];

/** VMs that start with the host and never came up, in the order of tiers. Carrying them out waits for health and dependencies as at a start of the host. */
export function planStarts({ site, current }: Wish): Step[] {
  const sorted = [...site.vms].sort((left, right) => left.tier - right.tier || left.startOrder - right.startOrder);
  return sorted.flatMap(({ name, autostart }) => {
    if (!autostart) return [];
    const is = current.vms.find((vm) => vm.name === name);
    if (is && !(is.state === 'down' && undecided.includes(is.reason))) return [];
    return step('starts', 'start', name, [], is && perform('vm.start', { vm: is.id }));
  });
}
