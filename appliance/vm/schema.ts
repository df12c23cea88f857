/** What goes in and out of the verbs of VMs and of their devices: the wish (config), the state, and each verb's input. */
import * as z from 'zod';
import { nameSchema, refSchema } from '../core/id.ts';
import { GiB, MiB, TiB } from '../core/units.ts';
import { allocationSchema, diskFormatSchema, diskSizeSchema, isoNameSchema } from '../storage/schema.ts';
import { diskShape, Firmware, hardwareShape, nicShape } from './definition/hardware.ts';
import { cloudInitField } from './cloud-init/schema.ts';
import { chordFault } from './console/keys.ts';
import { hostDevicesField } from './pass/schema.ts';
import { vmStates } from './rules.ts';
import { startupChanges, startupInput, startupOutput } from './power/startup-schema.ts';

export { cpuModels, diskBuses, hardwareNames } from './definition/hardware.ts';

/** Bytes that a file name may have, less what libvirt adds when it names files after a domain. */
const longestNameBytes = 200;

export const VmName = nameSchema
  .refine((name) => new TextEncoder().encode(name).length <= longestNameBytes, 'This name is too long in bytes. Use fewer characters.')
  .meta({ label: 'Name', help: 'How lists and tools call it.' });
export const Description = z.string().trim().max(1000).meta({ label: 'Description', help: 'What it is for.', widget: 'textarea' });
const Vcpus = z.int().min(1, 'At least one.').max(64, 'At most 64.').meta({ label: 'Processors', help: 'As many as the guest keeps busy; more slow others down.' });
const MemoryBytes = z.int()
  .min(64 * MiB, 'At least 64 MiB.').max(4 * TiB, 'At most 4 TiB.')
  .multipleOf(MiB, 'Whole MiB only.')
  .meta({ label: 'Memory', unit: 'bytes', help: 'Reserved for this VM while it runs.' });
const BootOrder = z.array(z.enum(['disk', 'cdrom', 'network'])).min(1).max(3)
  .refine((order) => new Set(order).size === order.length, 'Name each device once.')
  .meta({ label: 'Boot order', help: 'Tried one after the other.' });
const Autostart = z.boolean().meta({ label: 'Start with the host', help: 'Starts it when the host starts, unless someone has stopped it since.' });
const IsoName = isoNameSchema.meta({ label: 'CD-ROM', help: 'An ISO image to boot or install from.' });

const mac = /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/;
export const MacAddress = z.string().trim().toLowerCase()
  .regex(mac, 'Six pairs of hexadecimal digits, such as 52:54:00:12:34:56.')
  .refine((address) => !mac.test(address) || (Number.parseInt(address.slice(0, 2), 16) & 1) === 0, 'This is a multicast address; the first pair must be even.')
  .meta({ label: 'MAC address', help: 'Leave empty to have one chosen.' });

export const NewNic = z.strictObject({
  network: z.string().min(1).max(64).default('default').meta({ label: 'Network', help: 'What its cable is plugged into.' }),
  model: nicShape.model.optional(),
  mac: MacAddress.optional(),
  isLinked: nicShape.isLinked.default(true),
});

/** An existing disk by `disk`, or a new one by its size. */
const newDiskFields = {
  disk: refSchema.optional().meta({ label: 'Existing disk', help: 'Leave empty to make a new one.' }),
  sizeBytes: diskSizeSchema.optional(),
  format: diskFormatSchema.optional(),
  allocation: allocationSchema.optional(),
  name: nameSchema.optional().meta({ label: 'Name', help: 'Leave empty to have one made from the name of the VM.' }),
  domain: refSchema.optional().meta({ label: 'Storage domain', help: 'Where its data lies. Leave empty where there is only one.' }),
  bus: diskShape.bus.optional(),
  discard: diskShape.discard.default(true),
  serial: diskShape.serial.default(null),
  readBytesPerSecond: diskShape.readBytesPerSecond.default(null),
  writeBytesPerSecond: diskShape.writeBytesPerSecond.default(null),
  readsPerSecond: diskShape.readsPerSecond.default(null),
  writesPerSecond: diskShape.writesPerSecond.default(null),
};
const isOneOf = (disk: { disk?: string | undefined; sizeBytes?: number | undefined }) => (disk.disk === undefined) !== (disk.sizeBytes === undefined);
const oneOf = { path: ['sizeBytes'], message: 'Give the size of a new disk, or name an existing one; not both.' };

export const NewDisk = z.strictObject(newDiskFields).refine(isOneOf, oneOf);

/** What is not said follows from the guest system. */
const chosenHardware = z.object(hardwareShape).partial().shape;

export const VmCreateInput = z.object({
  name: VmName,
  description: Description.default(''),
  vcpus: Vcpus.default(1),
  memoryBytes: MemoryBytes.default(GiB),
  firmware: Firmware.optional(),
  disks: z.array(NewDisk).max(16).default([]).meta({ label: 'Disks', help: 'New ones, or some that are there already.' }),
  cdrom: IsoName.nullable().default(null).meta({ label: 'CD-ROM' }),
  nics: z.array(NewNic).max(16).default([]).meta({ label: 'Network interfaces', help: 'Each is connected to one network.' }),
  bootOrder: BootOrder.default(['disk', 'cdrom']),
  autostart: Autostart.default(false),
  cloudInit: cloudInitField,
  hostDevices: hostDevicesField,
  ...chosenHardware,
  ...startupInput,
});

export const VmRef = z.object({ vm: refSchema.meta({ label: 'VM' }) });

export const VmEditInput = VmRef.extend({
  name: VmName.optional(),
  description: Description.optional(),
  vcpus: Vcpus.optional(),
  memoryBytes: MemoryBytes.optional(),
  firmware: Firmware.optional(),
  bootOrder: BootOrder.optional(),
  autostart: Autostart.optional(),
  ...chosenHardware,
  ...startupChanges,
});

export const VmListInput = z.object({
  limit: z.coerce.number().int().min(1).max(1000).default(100),
  /** `next` of the page before. */
  after: z.string().max(256).optional(),
  /** Part of the name. */
  search: z.string().max(64).optional().meta({ label: 'Search' }),
  state: z.enum(vmStates).optional().meta({ label: 'State' }),
});

export const VmSummary = z.object({
  id: z.uuid(),
  name: z.string(),
  description: z.string(),
  state: z.enum(vmStates),
  /** Why it is in this state: a word for programs. */
  reason: z.string(),
  /** Since when, milliseconds since the epoch. */
  since: z.int(),
  vcpus: z.int(),
  memoryBytes: z.int(),
  firmware: Firmware,
  autostart: z.boolean(),
  isDeleting: z.boolean(),
  /** Name of the pool that it is of: when it is down, what was written to it is dropped. */
  pool: z.string().nullable(),
  generation: z.int(),
});

export const VmListOutput = z.object({
  items: z.array(VmSummary),
  next: z.string().nullable(),
  /** Domains in libvirt that are not Bothy's; it leaves them alone. */
  foreignDomains: z.int(),
});

export const VmDisk = z.object({
  id: z.uuid(),
  name: z.string(),
  /** Device name in the guest, such as `vda`. */
  target: z.string(),
  sizeBytes: z.int(),
  format: z.enum(['raw', 'cow']),
  allocation: z.enum(['sparse', 'preallocated']),
  state: z.string(),
  /** The running guest has it. */
  isPlugged: z.boolean(),
  ...diskShape,
  /** Settings that have changed since it was plugged in and hold from the VM's next start on; `attach`, `detach` or `delete` where that itself waits. */
  pending: z.array(z.string()),
});

export const VmNic = z.object({
  id: z.uuid(),
  network: z.string(),
  mac: z.string(),
  isPlugged: z.boolean(),
  ...nicShape,
  pending: z.array(z.string()),
});

/** What a state means to the person who looks at it. */
export const Explanation = z.object({
  /** What happened. */
  cause: z.string(),
  /** What it means for the guest. */
  effect: z.string(),
  /** What to do; empty if nothing. */
  nextStep: z.string(),
});

/** The guest's own word. */
const GuestSystem = z.object({
  hostname: z.string(),
  os: z.string(),
  kernel: z.string(),
  timeZone: z.string(),
  users: z.array(z.object({ name: z.string(), since: z.number().nullable() })),
  filesystems: z.array(z.object({ mountPoint: z.string(), type: z.string(), totalBytes: z.number().nullable(), usedBytes: z.number().nullable() })),
  /** With addresses that others can reach. */
  interfaces: z.array(z.object({ name: z.string(), mac: z.string(), addresses: z.array(z.string()) })),
});

export const VmOutput = VmSummary.extend({
  explanation: Explanation.nullable(),
  /** What QEMU, libvirt or the failed start said of its state, in its own words; empty where nothing was said. */
  said: z.string(),
  disks: z.array(VmDisk),
  /** Name of the ISO image in the drive. */
  cdrom: z.string().nullable(),
  nics: z.array(VmNic),
  bootOrder: z.array(z.enum(['disk', 'cdrom', 'network'])),
  ...hardwareShape,
  /** Of each socket. */
  cores: z.int(),
  ...startupOutput,
  /** Settings that have changed since the VM was started and hold from its next start on. */
  pending: z.array(z.string()),
  /** Name and version of the template on whose image its disks lie. */
  template: z.string().nullable(),
  /** It is told about itself by cloud-init. */
  hasCloudInit: z.boolean(),
  /** Devices of the host that it is to have: how that stands is another question (`/host-devices`). */
  hostDevices: z.array(z.object({ id: z.uuid(), device: z.string() })),
  /** The guest agent inside answers. */
  hasAgent: z.boolean(),
  /** What its agent tells of the system inside; null without one, or until it has answered. */
  guest: GuestSystem.nullable(),
  startedAt: z.int().nullable(),
  createdAt: z.int(),
});

export const VmCloneInput = VmRef.extend({ name: VmName.meta({ help: 'Of the new VM.' }), description: Description.default('') });

/** `?keepDisks=true` in the address as well as a JSON boolean. */
const Flag = z.union([z.boolean(), z.stringbool()]).default(false);

export const VmDeleteInput = VmRef.extend({ keepDisks: Flag.meta({ label: 'Keep its disks', help: 'They stay as disks of no VM.' }) });
export const SendKeysInput = VmRef.extend({
  keys: z.array(z.string().trim().max(64).superRefine((chord, { addIssue }) => {
    const fault = chordFault(chord);
    if (fault) addIssue({ code: 'custom', message: fault });
  })).min(1, 'At least one.').max(64, 'At most 64, one after the other.')
    .meta({ label: 'Keys', help: 'One after the other. Keys that are held together are joined by +, such as ctrl+alt+delete.' }),
});
export const AttachDiskInput = VmRef.extend(newDiskFields).refine(isOneOf, oneOf);
export const DetachDiskInput = VmRef.extend({ disk: refSchema, delete: Flag.meta({ label: 'Delete the disk', help: 'Its content is lost.' }) });
export const AddNicInput = VmRef.extend(NewNic.shape);
export const EditDiskInput = VmRef.extend({ disk: refSchema, ...z.object(diskShape).partial().shape });
export const EditNicInput = VmRef.extend({
  nic: z.uuid(),
  network: z.string().min(1).max(64).optional().meta({ label: 'Network', help: 'What its cable is plugged into. Applies at once.' }),
  mac: MacAddress.optional().meta({ label: 'MAC address', help: 'What the network knows it by. A running VM has another from its next start on.' }),
  ...z.object(nicShape).partial().shape,
});
export const RemoveNicInput = VmRef.extend({ nic: z.uuid() });
export const ChangeCdromInput = VmRef.extend({ iso: IsoName.nullable().meta({ label: 'CD-ROM', help: 'Leave empty to eject.' }) });
export type VmDetails = z.output<typeof VmOutput>;
