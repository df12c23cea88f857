/** What goes in and out of the verbs of what VMs get that have not chosen themselves. */
import * as z from 'zod';
import { cpuModels, hardwareShape } from '../definition/hardware.ts';

const Cpu = hardwareShape.cpu.meta({ label: 'Processor model', labels: { ...cpuModels, auto: 'The best of this host' }, help: 'What VMs get whose own model is "As all VMs". One that all hosts have lets VMs run on each of them. Holds from the next start of each on.' });

export const VmDefaults = z.object({ cpu: Cpu });
export const VmDefaultsEdit = z.object({ cpu: Cpu.optional() });
export const VmDefaultsOutput = VmDefaults.extend({
  /** Models that this host can run. */
  offeredCpus: z.array(Cpu),
  generation: z.int(),
});
