/**
 * Lends memory between guests: every ten seconds, what the host has free decides who gives and who gets back (`balloon-rules.ts`).
 *
 * A start is refused where what is guaranteed, to it and to those that run, could not be kept. A VM without a guarantee lends nothing and is promised
 * nothing: beside those of others it may be given more memory than there is.
 */
import { Problem } from '../../core/problem.ts';
import { formatBytes } from '../../core/units.ts';
import { type Borrower, balloonTargets, missingMemory } from './balloon-rules.ts';
import { isDisconnected, isNoDomain } from '../domain.ts';
import type { Latest } from '../observe/metrics.ts';
import type { Vm } from '../rows.ts';
import type { VmServices } from '../services.ts';

const periodMs = 10_000;

export function lendMemory(services: VmServices, latest: () => Latest): void {
  let done = 0;
  services.reconcilers.add({
    name: 'vm.balloon', periodMs,
    async run() {
      const reading = latest();
      if (reading.at === done) return; // guests have not been read since: what they were told may still be on its way
      done = reading.at;
      await lend(services, reading);
    },
  });
}

async function lend({ rows, machine, hypervisor, log }: VmServices, { all }: Latest): Promise<void> {
  const figures = new Map(all.map((stats) => [stats.uuid, stats]));
  const guests = rows.withState(['up']).flatMap((vm): Borrower[] => {
    const stats = figures.get(vm.id);
    const memoryBytes = vm.fact.running?.memoryBytes;
    if (!stats || !memoryBytes) return [];
    const isHuge = vm.fact.running?.hardware.hugePages !== 'none'; // such pages are not given back
    return [{ id: vm.id, memoryBytes, guaranteedBytes: isHuge ? memoryBytes : (vm.hardware.guaranteedBytes ?? memoryBytes), currentBytes: stats.memoryBytes, unusedBytes: stats.unusedBytes }];
  });
  if (guests.every(({ guaranteedBytes, currentBytes, memoryBytes }) => guaranteedBytes >= memoryBytes && currentBytes >= memoryBytes)) return;
  for (const { id, bytes } of balloonTargets(await machine.load(), guests)) {
    log.info('the memory of a guest changes with what the host has free', { vm: id, bytes });
    await hypervisor.setMemory(id, bytes).catch((error: unknown) => {
      if (!isNoDomain(error) && !isDisconnected(error)) throw error;
    });
  }
}

/** Throws unless the host has the memory that is guaranteed to all who run and to `vm`. */
export async function requireMemory({ rows, machine }: VmServices, vm: Vm): Promise<void> {
  const wanted = vm.hardware.guaranteedBytes;
  if (wanted === null) return;
  const others = rows.all().filter(({ id, fact }) => id !== vm.id && fact.state !== 'down' && fact.state !== 'saved');
  const missing = missingMemory(await machine.load(), others.reduce((total, { hardware }) => total + (hardware.guaranteedBytes ?? 0), 0), wanted);
  if (missing === 0) return;
  throw new Problem('unavailable', `This host has too little memory: ${formatBytes(missing)} are missing to guarantee ${vm.name} its ${formatBytes(wanted)} beside what is guaranteed to VMs that run. Shut one of them down, or guarantee less.`);
}
