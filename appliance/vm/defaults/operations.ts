/** The verbs of what VMs get that have not chosen themselves. */
import * as z from 'zod';
import { read, write } from '../../core/operation.ts';
import { Problem } from '../../core/problem.ts';
import { cpuModels } from '../definition/hardware.ts';
import type { VmServices } from '../services.ts';
import { offeredModels } from './rules.ts';
import { VmDefaultsEdit, VmDefaultsOutput } from './schema.ts';

async function offered({ host }: VmServices) {
  return offeredModels(host.hypervisorFacts()?.cpuModels, await host.accelerator().catch(() => 'tcg' as const));
}

export const vmDefaultsGet = read<VmServices>()({
  id: 'vm-defaults.get', method: 'GET', path: '/vm-defaults', permission: 'host.read', summary: 'Show what VMs get that have not chosen themselves',
  input: z.object({}), output: VmDefaultsOutput,
  run: async (services) => ({ ...services.defaults.wanted(), offeredCpus: await offered(services) }),
});

export const vmDefaultsEdit = write<VmServices>()({
  id: 'vm-defaults.edit', method: 'PATCH', path: '/vm-defaults', permission: 'host.edit', status: 200, summary: 'Change what VMs get that have not chosen themselves',
  input: VmDefaultsEdit, output: VmDefaultsOutput,
  generation: ({ defaults }) => defaults.wanted().generation,
  prepare: offered,
  run({ defaults }, tx, { cpu }, offeredCpus) {
    if (cpu !== undefined && !offeredCpus.includes(cpu)) {
      const message = `This host cannot run the processor model ${cpuModels[cpu]}. Choose one that is offered, or "auto".`;
      throw new Problem('invalid-input', message, { errors: [{ path: 'cpu', message }] });
    }
    if (cpu !== undefined) defaults.wish(tx, { cpu });
    return { ...defaults.wanted(), offeredCpus };
  },
});

export const vmDefaultsOperations = [vmDefaultsGet, vmDefaultsEdit];
