/**
 * Machines that leave and come as one file (OVA).
 *
 *   vm.export   make sure that it is down -> write the file -> publish it        failed: the file goes
 *   vm.import   hold the files to their sums -> fill the disks                   failed: the VM and its disks go
 *
 * The disks of what leaves are locked meanwhile. Of what comes the VM is there from the request on; a start waits for its disks.
 */
import { rm } from 'node:fs/promises';
import * as z from 'zod';
import type { Tx } from '../../core/db.ts';
import { exclusive } from '../../core/locks.ts';
import { Problem } from '../../core/problem.ts';
import { type AnyTask, defineTask, type Outcome, type StepContext } from '../../core/task.ts';
import { findDomain, persist } from '../domain.ts';
import { aboutVm } from '../power/operations.ts';
import type { VmServices } from '../services.ts';
import { writeArchive } from './archive-write.ts';
import { checkSums } from './look.ts';
import type { CarriedMachine } from './ovf-write.ts';

const hour = 3_600_000;

const exportInput = z.object({
  vm: z.string(), domain: z.string(), file: z.string(), name: z.string(), stem: z.string(), format: z.enum(['vmdk', 'qcow2']), modifiedAt: z.number(), disks: z.array(z.string()),
  machine: z.custom<CarriedMachine>((value) => typeof value === 'object' && value !== null), // made by the request, of rows
});
export type ExportTask = z.output<typeof exportInput>;

interface Written {
  sizeBytes: number;
}

export function carryTasks(services: VmServices): AnyTask[] {
  return [exportTask(services), importTask(services)];
}

function exportTask(services: VmServices): AnyTask {
  const { carried, layers } = services.storage;
  return defineTask<ExportTask, Written>({
    kind: 'vm.export', input: exportInput, canCancel: true,
    locks: ({ vm, disks }) => [exclusive('vm', vm), ...disks.map((disk) => exclusive('image', disk))],
    steps: [
      { name: 'Make sure that it is down', timeoutMs: 60_000, do: ({ input, signal }) => requireDown(services, input.vm, signal) },
      {
        name: 'Write the file', timeoutMs: 24 * hour,
        do: (context) => writeFile(services, context),
        async undo({ input: { domain, file } }) {
          await rm(carried.paths(domain, file).disk, { force: true });
          await carried.discard(domain, file);
        },
      },
      {
        name: 'Give it its name', timeoutMs: hour,
        do: ({ input: { domain, file, name } }) => carried.publish(domain, file, name),
        undo: ({ input: { domain, file, name } }) => carried.unpublish(domain, file, name),
      },
    ],
    finished(tx, { state, input: { domain, file, name, disks }, memory: { sizeBytes } }) {
      for (const disk of disks) layers.unlock(tx, disk);
      carried.end(tx, { domainId: domain, file, ...(state === 'done' && { name, sizeBytes }) });
    },
  });
}

async function requireDown(services: VmServices, vm: string, signal: AbortSignal): Promise<void> {
  await persist(services, 'The VM cannot be seen', signal, async () => {
    if (await findDomain(services, vm)) throw new Problem('wrong-state', 'The VM still runs. Shut it down, then try again.');
  });
}

async function writeFile({ storage: { carried } }: VmServices, { input, signal, progress }: StepContext<ExportTask, Written>): Promise<Partial<Written>> {
  const { domain, file, disks, format, machine, stem, modifiedAt } = input;
  const paths = carried.paths(domain, file);
  const sizeBytes = await writeArchive({
    machine, stem, modifiedAt, signal, path: paths.file, diskPath: paths.disk,
    makeDisk: (index) => carried.convertDisk(disks[index] ?? '', { path: paths.disk, format }, { signal, progress: (fraction) => progress((index + fraction) / Math.max(1, disks.length)) }),
  });
  return { sizeBytes };
}

const part = z.object({ offsetBytes: z.number(), sizeBytes: z.number() });
const importInput = z.object({
  vm: z.string(), domain: z.string(), name: z.string(), sum: z.string(),
  disks: z.array(z.object({ disk: z.string(), part, format: z.enum(['raw', 'qcow2', 'vmdk', 'vhdx', 'vdi']) })),
});
export type ImportTask = z.output<typeof importInput>;

function importTask(services: VmServices): AnyTask {
  const { carried } = services.storage;
  return defineTask<ImportTask>({
    kind: 'vm.import', input: importInput, canCancel: true,
    locks: ({ vm, disks }) => [exclusive('vm', vm), ...disks.map(({ disk }) => exclusive('image', disk))],
    steps: [
      {
        name: 'Hold its files to their sums', timeoutMs: 12 * hour,
        do: ({ input, signal, progress }) => whileOpen(services, input, (path) => checkSums(path, { sum: input.sum, signal, progress })),
      },
      {
        name: 'Copy the disks', timeoutMs: 24 * hour,
        do: ({ input, signal, progress }) => whileOpen(services, input, async (path) => {
          for (const [index, { disk, part: where, format }] of input.disks.entries()) {
            await carried.fillDisk(disk, { path, format, part: where }, { signal, progress: (fraction) => progress((index + fraction) / input.disks.length) });
          }
        }),
        async undo({ input }) {
          for (const { disk } of input.disks) await carried.dropDisk(disk);
        },
      },
    ],
    finished: (tx, outcome) => endImport(services, tx, outcome),
  });
}

async function whileOpen({ storage }: VmServices, { domain, name }: ImportTask, work: (path: string) => Promise<void>): Promise<void> {
  const file = storage.carried.open(domain, name);
  try {
    await work(file.path);
  } finally {
    file.leave();
  }
}

/** What did not come whole is deleted like any VM. */
function endImport({ storage, rows, facts, tasks }: VmServices, tx: Tx, { state, input }: Outcome<ImportTask, unknown>): void {
  for (const { disk } of input.disks) storage.carried.endDisk(tx, disk, state === 'done');
  const vm = rows.find(input.vm);
  if (state === 'done' || !vm || vm.fact.isDeleting) return;
  facts.note(tx, vm.id, { isDeleting: true });
  tasks.start(tx, 'vm.delete', { vm: vm.id, keepDisks: false }, aboutVm(vm));
}
