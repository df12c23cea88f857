/** What the VMs count, for Prometheus: their states, and for those that run what the last reading showed. Counters begin anew when a VM is started. */
import type { Metric } from '../../host/metrics.ts';
import type { Reading } from '../../activity/recorder.ts';
import type { DomainStats } from '../../world.ts';
import { vmStates } from '../rules.ts';
import type { VmServices } from '../services.ts';

/** The last reading of all VMs: what libvirt told, and as the history takes it. */
export interface Latest {
  at: number;
  all: DomainStats[];
  readings: Reading[];
}

/** Older than that a reading says nothing of now. */
const freshMs = 60_000;

export function vmMetrics({ rows, foreignDomains, clock }: Pick<VmServices, 'rows' | 'foreignDomains' | 'clock'>, latest: Latest): Metric[] {
  const counted = new Map(rows.countByState().map(({ state, vms }) => [state, vms]));
  return [
    // Every state is always there, so that an alarm on one of them never meets a gap.
    { name: 'bothy_vms', help: 'VMs by state.', type: 'gauge', samples: vmStates.map((state) => ({ labels: { state }, value: counted.get(state) ?? 0 })) },
    { name: 'bothy_foreign_domains', help: 'Domains that libvirt runs beside the VMs of this appliance.', type: 'gauge', samples: [{ value: foreignDomains() }] },
    ...(clock.now() - latest.at < freshMs ? runningMetrics(latest) : []),
  ];
}

function runningMetrics({ all, readings }: Latest): Metric[] {
  const names = new Map(readings.filter(({ kind }) => kind === 'vm').map(({ id, name }) => [id, name]));
  const of = (value: (stats: DomainStats) => number) => all.flatMap((stats) => {
    const vm = names.get(stats.uuid);
    return vm === undefined ? [] : [{ labels: { vm, id: stats.uuid }, value: value(stats) }];
  });
  const device = (kind: 'disk' | 'nic', quantity: string) => readings.filter((reading) => reading.kind === kind).map(({ id, name, parent = '', values }) => ({
    labels: { vm: names.get(parent) ?? '', [kind]: name, id }, value: (values as Record<string, number | null>)[quantity] ?? 0, // a quantity of that kind
  }));
  const metric = (name: string, help: string, type: Metric['type'], samples: Metric['samples']): Metric => ({ name, help, type, samples });
  return [
    metric('bothy_vm_cpu_seconds_total', 'Processor time of a VM since it was started.', 'counter', of(({ cpuTimeNs }) => cpuTimeNs / 1e9)),
    metric('bothy_vm_vcpus', 'Processors of a VM that runs.', 'gauge', of(({ vcpus }) => vcpus)),
    metric('bothy_vm_memory_bytes', 'Memory that a VM has now.', 'gauge', of(({ memoryBytes }) => memoryBytes)),
    metric('bothy_vm_disk_read_bytes_total', 'Read from a disk by its VM since that was started.', 'counter', device('disk', 'readBytesPerSecond')),
    metric('bothy_vm_disk_written_bytes_total', 'Written to a disk by its VM since that was started.', 'counter', device('disk', 'writtenBytesPerSecond')),
    metric('bothy_vm_disk_reads_total', 'Read requests of a VM to a disk since it was started.', 'counter', device('disk', 'readsPerSecond')),
    metric('bothy_vm_disk_writes_total', 'Write requests of a VM to a disk since it was started.', 'counter', device('disk', 'writesPerSecond')),
    metric('bothy_vm_network_receive_bytes_total', 'Received by a NIC of a VM since that was started.', 'counter', device('nic', 'receivedBytesPerSecond')),
    metric('bothy_vm_network_transmit_bytes_total', 'Sent by a NIC of a VM since that was started.', 'counter', device('nic', 'sentBytesPerSecond')),
  ];
}
