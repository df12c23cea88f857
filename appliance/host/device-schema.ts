/** The devices of a host as the API shows them. */
import * as z from 'zod';
import { HostRef } from './schema.ts';

export const deviceKinds = ['usb', 'pci', 'scsi'] as const;

export const DeviceListInput = z.object({ host: HostRef });

export const HostDevice = z.object({
  /** Its place, and what a virtual machine names it by: `usb-port:1-1.2`, `pci:0000:01:00.0`, `scsi:2:0:0:0`. */
  id: z.string(),
  kind: z.enum(deviceKinds),
  /** What it is, in words for people. */
  name: z.string(),
  /** What sort of thing it is: `graphics`, `network`, `disk` and so on; `other` where that is not known. */
  type: z.string(),
  /** Four hexadecimal digits; empty for SCSI. */
  vendorId: z.string(),
  productId: z.string(),
  vendor: z.string(),
  product: z.string(),
  serial: z.string(),
  /** The driver of the host that has it now. */
  driver: z.string(),
  /** Of USB: its bus and its number there, which changes each time it is plugged in. */
  usb: z.object({ bus: z.int(), device: z.int() }).nullable(),
  /** Of SCSI disks. */
  sizeBytes: z.number().nullable(),
  iommuGroup: z.int().nullable(),
  /** Those that can only be given together with it, by id. */
  together: z.array(z.string()),
  /** Why it cannot be given to a virtual machine; null if it can. */
  obstacle: z.object({ code: z.enum(['in-use-by-host', 'no-iommu', 'group-in-use-by-host']), message: z.string(), nextStep: z.string() }).nullable(),
  /** The running virtual machine that has it. */
  usedBy: z.object({ id: z.string(), name: z.string() }).nullable(),
});

export const DeviceListOutput = z.object({
  items: z.array(HostDevice),
  next: z.null(),
  /** False where libvirt cannot tell what the host is made of. */
  isKnown: z.boolean(),
});

export type Device = z.output<typeof HostDevice>;
