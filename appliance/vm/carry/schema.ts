/** What goes in and out of the verbs that carry machines from one place to another. */
import * as z from 'zod';
import { refSchema } from '../../core/id.ts';
import { ovaNameSchema } from '../../storage/schema.ts';
import { VmName } from '../schema.ts';

export const OvaRef = z.object({ domain: refSchema.meta({ label: 'Storage domain' }), name: ovaNameSchema.meta({ label: 'File' }) });

export const ExportInput = z.object({
  vm: refSchema.meta({ label: 'VM' }),
  name: ovaNameSchema.optional().meta({ label: 'File name', help: 'What it is called among the files of the storage domain. Leave empty for the name of the VM.' }),
  format: z.enum(['vmdk', 'qcow2']).default('vmdk').meta({ label: 'Disks', help: 'VMDK is read by VMware, VirtualBox and others, qcow2 by oVirt and QEMU.', labels: { vmdk: 'VMDK (streamOptimized)', qcow2: 'qcow2' } }),
});

export const ImportInput = OvaRef.extend({
  vm: VmName.optional().meta({ label: 'Name', help: 'Leave empty for the name that it had.' }),
  target: refSchema.optional().meta({ label: 'Storage domain', help: 'Where its disks are to lie. Leave empty for the usual one.' }),
  network: z.string().min(1).max(64).optional().meta({ label: 'Network', help: 'What its network interfaces are plugged into. Leave empty for the networks of the same names, else for the default one.' }),
});

export const CarriedOutput = z.object({
  name: z.string(),
  os: z.string(),
  firmware: z.string(),
  vcpus: z.int(),
  memoryBytes: z.int(),
  disks: z.array(z.object({ file: z.string(), format: z.string(), sizeBytes: z.int(), bus: z.string() })),
  nics: z.array(z.object({ network: z.string(), model: z.string() })),
  /** Its files are held to sums that came with them. */
  hasSums: z.boolean(),
  /** What has no place here, or another one. */
  notes: z.array(z.string()),
});
