/** Which processor models a host can run, and which one a VM gets. Pure. */
import type { HypervisorFacts } from '../../world.ts';
import { cpuModels, type Hardware } from '../definition/hardware.ts';

type CpuModel = Hardware['cpu'];

/** Two of them are no models but what the host has. */
const always: readonly CpuModel[] = ['auto', 'host-model'];

/** With KVM the models whose features its processor has; software emulates every model that QEMU knows. */
export function offeredModels(known: HypervisorFacts['cpuModels'] | undefined, accelerator: 'kvm' | 'tcg'): CpuModel[] {
  const runnable = new Set((known ?? []).filter(({ isUsable }) => isUsable || accelerator === 'tcg').map(({ name }) => name));
  const isOffered = (model: CpuModel) => always.includes(model) || (model === 'host-passthrough' ? accelerator === 'kvm' : runnable.has(model));
  return (Object.keys(cpuModels) as CpuModel[]).filter(isOffered); // its own keys
}

/** Why a host cannot run that model; empty where it can. Older versions of libvirt and QEMU do not know the newest ones. */
export function modelFault(model: CpuModel, known: HypervisorFacts['cpuModels'] | undefined, accelerator: 'kvm' | 'tcg'): string {
  if (offeredModels(known, accelerator).includes(model)) return '';
  if (model === 'host-passthrough') return 'This host emulates processors by software, so no guest can have its own.';
  return (known ?? []).some(({ name }) => name === model) ? `The processor of this host lacks what the model ${cpuModels[model]} has.` : `QEMU on this host does not know the processor model ${cpuModels[model]}.`;
}

/** Of a VM that has chosen none, that of all VMs. */
export const effectiveModel = ({ cpu }: Pick<Hardware, 'cpu'>, cpuDefault: CpuModel): CpuModel => (cpu === 'auto' ? cpuDefault : cpu);
