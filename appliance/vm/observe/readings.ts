/** What libvirt counts of all VMs, as readings for the history: VMs under their ids, disks and NICs under theirs. */
import type { Reading } from '../../activity/recorder.ts';
import type { Storage } from '../../storage/storage.ts';
import type { DomainStats } from '../../world.ts';
import { diskTarget } from '../definition/device-xml.ts';
import type { Vm, VmRows } from '../rows.ts';

interface Known {
  rows: Pick<VmRows, 'all' | 'everyDisk'>;
  storage: Pick<Storage, 'disks'>;
}

/** Domains that are not ours are left out. Three queries for all of them. */
export function readingsOf({ rows, storage }: Known, all: DomainStats[]): Reading[] {
  if (all.length === 0) return [];
  const vms = new Map(rows.all().map((vm) => [vm.id, vm]));
  const links = rows.everyDisk();
  const names = new Map(storage.disks(links.map(({ diskId }) => diskId)).map(({ id, name }) => [id, name]));
  const disks = new Map(links.map((link) => [`${link.vmId}/${vms.get(link.vmId)?.fact.running?.diskSettings?.[link.diskId]?.target ?? diskTarget({ ...link.settings, slot: link.slot })}`, link.diskId]));
  return all.flatMap((stats) => {
    const vm = vms.get(stats.uuid);
    return vm ? [vmReading(vm, stats), ...diskReadings(vm, stats, { disks, names }), ...nicReadings(vm, stats)] : [];
  });
}

const sum = <K extends string>(items: Record<K, number>[], key: K) => items.reduce((total, item) => total + item[key], 0);

/** Processor time as a counter of seconds that each vCPU was busy: its rate is the share in use. */
function vmReading({ id, name }: Vm, { cpuTimeNs, vcpus, memoryBytes, unusedBytes, blocks, interfaces }: DomainStats): Reading<'vm'> {
  return {
    kind: 'vm', id, name,
    values: {
      cpuFraction: cpuTimeNs / 1e9 / Math.max(1, vcpus),
      memoryUsedBytes: unusedBytes === undefined ? null : Math.max(0, memoryBytes - unusedBytes),
      readBytesPerSecond: sum(blocks, 'readBytes'), writtenBytesPerSecond: sum(blocks, 'writtenBytes'),
      receivedBytesPerSecond: sum(interfaces, 'receivedBytes'), sentBytesPerSecond: sum(interfaces, 'sentBytes'),
    },
  };
}

function diskReadings({ id: parent }: Vm, { blocks }: DomainStats, { disks, names }: { disks: Map<string, string>; names: Map<string, string> }): Reading<'disk'>[] {
  return blocks.flatMap(({ target, readBytes, writtenBytes, readRequests, writeRequests }) => {
    const id = disks.get(`${parent}/${target}`);
    if (id === undefined) return [];
    return [{ kind: 'disk', id, name: names.get(id) ?? target, parent, values: { readBytesPerSecond: readBytes, writtenBytesPerSecond: writtenBytes, readsPerSecond: readRequests, writesPerSecond: writeRequests } }];
  });
}

/** libvirt counts them in the order of the definition, which is that of what the running domain was given. */
function nicReadings({ id: parent, fact }: Vm, { interfaces }: DomainStats): Reading<'nic'>[] {
  const ids = fact.running?.nics ?? [];
  if (ids.length !== interfaces.length) return [];
  return interfaces.flatMap(({ receivedBytes, sentBytes }, at) => {
    const id = ids[at];
    return id === undefined ? [] : [{ kind: 'nic' as const, id, name: `NIC ${at + 1}`, parent, values: { receivedBytesPerSecond: receivedBytes, sentBytesPerSecond: sentBytes } }];
  });
}
