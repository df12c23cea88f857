/** What goes in and out of the verbs of pools. */
import * as z from 'zod';
import { nameSchema, refSchema } from '../../core/id.ts';
import { cloudInitFields } from '../cloud-init/schema.ts';
import { poolWindowsField, WindowsOutput } from '../cloud-init/windows/schema.ts';

const Description = z.string().trim().max(1000).meta({ label: 'Description', help: 'Who its VMs are for.', widget: 'textarea' });
const PoolName = nameSchema.refine((name) => new TextEncoder().encode(name).length <= 150, 'This name is too long in bytes. Use fewer characters.').refine((name) => name.length <= 56, 'At most 56 characters: the VMs have a number behind it.')
  .meta({ label: 'Name', help: 'Its VMs have this name and a number.' });
const TemplateRefSchema = z.string().min(1).max(80).meta({ label: 'Template', help: 'What its VMs are made from: a name for its latest version of now, or "name:version".' });
const Size = z.int().min(0).max(200, 'At most 200.').meta({ label: 'VMs', help: 'How many there are. They take little room until they run.' });
const Prestarted = z.int().min(0).max(50, 'At most 50.').meta({ label: 'Running ahead', help: 'How many that nobody has run already, so that nobody waits for a start.' });

/** Each of its VMs has its own name and addresses. */
const PoolCloudInit = z.strictObject(cloudInitFields).omit({ hostname: true, interfaces: true, networkConfig: true, windows: true }).extend({ windows: poolWindowsField })
  .meta({ label: 'cloud-init', help: 'What the system in each of its VMs is told at its first boot. Its host name is the name of the VM.' });

export const PoolRef = z.object({ pool: refSchema.meta({ label: 'Pool' }) });
export const PoolListInput = z.object({});
export const PoolCreateInput = z.object({ name: PoolName, description: Description.default(''), template: TemplateRefSchema, size: Size.default(5), prestarted: Prestarted.default(0), cloudInit: PoolCloudInit.optional() });
export const PoolEditInput = PoolRef.extend({ description: Description.optional(), template: TemplateRefSchema.optional(), size: Size.optional(), prestarted: Prestarted.optional(), cloudInit: PoolCloudInit.nullable().optional() });

const Named = z.object({ id: z.uuid(), name: z.string() });

export const PoolOutput = z.object({
  id: z.uuid(),
  name: z.string(),
  description: z.string(),
  /** Such as `debian:3`. */
  template: z.string(),
  size: z.int(),
  prestarted: z.int(),
  isDeleting: z.boolean(),
  /** Without what is secret; null where its VMs are told nothing. */
  cloudInit: z.object({ user: z.string().nullable(), hasPassword: z.boolean(), sshKeys: z.array(z.string()), userData: z.string().nullable(), windows: WindowsOutput.nullable() }).nullable(),
  /** VMs that are there, that could be taken now, and that somebody has. */
  vms: z.int(),
  free: z.int(),
  taken: z.int(),
  waiting: z.int(),
  /** Its VMs; without those that one may not see. */
  members: z.array(Named),
  /** The VM that you have. */
  own: Named.nullable(),
  /** Your place among those who wait: 1 is next. */
  place: z.int().nullable(),
  /** Who has which VM; empty for whom may not change the pool. */
  holders: z.array(z.object({ vm: Named, user: z.string() })),
  generation: z.int(),
  createdAt: z.int(),
});
export const PoolListOutput = z.object({ items: z.array(PoolOutput), next: z.null() });
export type PoolDetails = z.output<typeof PoolOutput>;
