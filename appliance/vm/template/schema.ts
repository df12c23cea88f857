/** What goes in and out of the verbs of templates. */
import * as z from 'zod';
import { nameSchema, refSchema } from '../../core/id.ts';
import { cloudInitField } from '../cloud-init/schema.ts';
import { VmCreateInput, VmName } from '../schema.ts';

/** An id, a name, or a name and a version: `debian:3`. */
const TemplateRefSchema = z.string().min(1).max(80).meta({ label: 'Template', help: 'Its name for the latest version, or "name:version".' });
const TemplateName = nameSchema.meta({ label: 'Name', help: 'What VMs are made from by this name. A name that is there gets a new version.' });
const Description = z.string().trim().max(1000).meta({ label: 'Description', help: 'What is installed in it, and who may sign in.', widget: 'textarea' });

export const TemplateRef = z.object({ template: TemplateRefSchema });

export const TemplateCreateInput = z.object({
  vm: refSchema.meta({ label: 'VM', help: 'Its disks are copied. It must be down, unless the template is made from a snapshot.' }),
  snapshot: refSchema.optional().meta({ label: 'Snapshot', help: 'Leave empty for the VM as it is now.' }),
  name: TemplateName,
  description: Description.default(''),
  generalise: z.boolean().default(false).meta({ label: 'Generalise', help: 'Takes host keys, machine id, MAC addresses, leases, logs and the state of cloud-init out of a Linux on its disks; users and their data stay. The VM itself keeps all of it.' }),
});

export const TemplateEditInput = TemplateRef.extend({
  name: nameSchema.optional().meta({ label: 'Name', help: 'Of all its versions.' }),
  description: Description.optional(),
});

const { vcpus, memoryBytes } = VmCreateInput.shape;

export const TemplateVmInput = TemplateRef.extend({
  name: VmName,
  description: z.string().trim().max(1000).default('').meta({ label: 'Description', help: 'What it is for.', widget: 'textarea' }),
  mode: z.enum(['thin', 'clone']).default('thin').meta({ label: 'Disks', help: 'Whether they lie on the images of the template, or are copies of these.' }),
  vcpus: vcpus.unwrap().optional(),
  memoryBytes: memoryBytes.unwrap().optional(),
  cloudInit: cloudInitField,
});

const Named = z.object({ id: z.uuid(), name: z.string() });

export const TemplateOutput = z.object({
  id: z.uuid(),
  name: z.string(),
  version: z.int(),
  /** What its name alone means. */
  isLatest: z.boolean(),
  description: z.string(),
  state: z.enum(['creating', 'ok', 'deleting', 'broken']),
  /** Name that the VM had. */
  madeFrom: z.string(),
  /** Whether what made its system that one machine has been taken out. */
  isGeneralised: z.boolean(),
  vcpus: z.int(),
  memoryBytes: z.int(),
  firmware: z.string(),
  disks: z.array(Named.extend({ sizeBytes: z.int() })),
  networks: z.array(z.string()),
  /** VMs whose disks lie on its images, as far as one may see them. */
  vms: z.array(Named),
  /** How many disks lie on its images: while there are any, it stays. */
  dependentDisks: z.int(),
  generation: z.int(),
  createdAt: z.int(),
});
export const TemplateListInput = z.object({});
export const TemplateListOutput = z.object({
  items: z.array(TemplateOutput), next: z.null(),
  /** Why this machine cannot generalise any system; null where it can. */
  generaliseFault: z.string().nullable(),
});
export type TemplateDetails = z.output<typeof TemplateOutput>;
