/** What goes in and out of the verbs of this slice. */
import * as z from 'zod';
import { refSchema } from '../core/id.ts';

export const HostRef = refSchema.meta({ label: 'Host', help: 'Id, host name, or "this".' });

export const Nic = z.object({
  name: z.string(),
  mac: z.string(),
  /** 0 where unknown or without a cable. */
  speedMbps: z.number(),
  isUp: z.boolean(),
  isBridge: z.boolean(),
  addresses: z.array(z.string()),
});

export const HostOutput = z.object({
  id: z.uuid(),
  name: z.string(),
  state: z.enum(['up', 'non-operational']),
  /** Why it is not up; empty when it is. */
  reason: z.string(),
  /** Version of Bothy. */
  version: z.string(),
  os: z.string(),
  kernel: z.string(),
  manufacturer: z.string(),
  model: z.string(),
  serial: z.string(),
  cpu: z.object({
    brand: z.string(),
    /** libvirt's name for it, such as `EPYC-Rome`; empty while libvirt cannot tell. */
    model: z.string(),
    vendor: z.string(),
    sockets: z.number().int(),
    cores: z.number().int(),
    threads: z.number().int(),
    virtualization: z.enum(['', 'vmx', 'svm']),
  }),
  memoryBytes: z.number().int(),
  nics: z.array(Nic),
  disks: z.array(z.object({ name: z.string(), model: z.string(), sizeBytes: z.number(), kind: z.string() })),
  hypervisor: z.object({
    state: z.enum(['connected', 'disconnected']),
    message: z.string(),
    libvirtVersion: z.string(),
    qemuVersion: z.string(),
    architecture: z.string(),
    firmware: z.array(z.enum(['bios', 'efi'])),
  }),
  acceleration: z.object({
    wanted: z.enum(['auto', 'kvm', 'tcg']),
    accelerator: z.enum(['kvm', 'tcg']),
    reason: z.string(),
  }),
  /** Troubles that last, the latest first. */
  warnings: z.array(z.object({ code: z.string(), severity: z.enum(['info', 'warning', 'error']), message: z.string(), nextStep: z.string().nullable(), at: z.number().int() })),
  reconcilers: z.array(z.object({
    name: z.string(),
    isRunning: z.boolean(),
    rounds: z.number().int(),
    failuresInARow: z.number().int(),
    lastEndedAt: z.number().int().nullable(),
    lastError: z.string().nullable(),
  })),
});

export const LoadInput = z.object({
  host: HostRef,
  since: z.coerce.number().int().min(0).default(0).meta({ label: 'Since', help: 'Only samples after this time.' }),
});

export const LoadOutput = z.object({
  items: z.array(z.object({
    at: z.number().int(),
    cpuFraction: z.number(),
    memoryUsedBytes: z.number(),
    memoryTotalBytes: z.number(),
    receivedBytesPerSecond: z.number(),
    sentBytesPerSecond: z.number(),
  })),
  next: z.null(),
});
