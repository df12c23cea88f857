/** What goes in and out of the verbs of this slice. */
import * as z from 'zod';
import { namesOf } from '../activity/sample-rules.ts';
import { samplesInput, samplesOutput } from '../activity/schema.ts';
import { refSchema } from '../core/id.ts';

export const HostRef = refSchema.meta({ label: 'Host', help: 'Id, host name, or "this".' });

export const HostPowerInput = z.object({
  host: HostRef,
  deadlineSeconds: z.coerce.number().int().min(0).max(3600).default(300).meta({ label: 'Time for the VMs', unit: 's', help: 'A VM that has not shut down by then is powered off.' }),
});

export const Nic = z.object({
  name: z.string(),
  mac: z.string(),
  /** 0 where unknown or without a cable. */
  speedMbps: z.number(),
  isUp: z.boolean(),
  isBridge: z.boolean(),
  addresses: z.array(z.string()),
});

/** What restarts the machine when it hangs. */
export const WatchingOutput = z.object({
  /** `waiting`: not everything has been well yet; `paused`: it has restarted the machine too often; `off`: not wanted, or nothing to watch with. */
  state: z.enum(['off', 'waiting', 'armed', 'paused']),
  kind: z.enum(['hardware', 'software', 'none']),
  /** What the device calls itself. */
  model: z.string(),
  /** Why it is not armed; empty when it is. */
  reason: z.string(),
  /** From the last sign of life until the restart, at most; null while it is not armed. */
  resetAfterSeconds: z.number().int().nullable(),
});

/** How the machine went down before it started this time. */
export const LastEndOutput = z.object({
  end: z.enum(['planned', 'watchdog', 'panic', 'power-lost', 'unknown']),
  /** About when. */
  at: z.number().int(),
  message: z.string(),
  /** Nobody had asked for it, and it was within the last day. */
  isNews: z.boolean(),
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
  /** NUMA nodes, and the huge pages that are reserved on each. */
  memoryNodes: z.array(z.object({
    id: z.number().int(), cpus: z.string(), memoryBytes: z.number().int(),
    pages: z.array(z.object({ sizeBytes: z.number().int(), total: z.number().int(), free: z.number().int() })),
  })),
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
  watchdog: WatchingOutput,
  /** Null when that is not known, as at the first start. */
  lastEnd: LastEndOutput.nullable(),
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

export const HostHistoryInput = z.object({ host: HostRef, ...samplesInput });
export const HostHistoryOutput = samplesOutput(namesOf('host'));

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

// ---------------------------------------------------------------------------------------------- settings

/** One label: what DHCP, mDNS and libvirt understand alike. */
export const Hostname = z.string().trim().toLowerCase()
  .regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, 'Letters, digits and dashes, at most 63; no dash at the ends.')
  .meta({ label: 'Host name', help: 'How this machine is called on its network.' });
export const TimeZone = z.string().trim().max(64).refine(isTimeZone, 'No such time zone. Write it as in the tz database, such as Europe/Berlin or UTC.')
  .meta({ label: 'Time zone', help: 'As in the tz database, such as Europe/Berlin.' });
export const NtpServer = z.string().trim().max(253).regex(/^[A-Za-z0-9]([A-Za-z0-9.:-]*[A-Za-z0-9])?$/, 'A host name or an address.');
export const NtpServers = z.array(NtpServer).max(8, 'At most eight.').meta({ label: 'Time servers', help: 'Leave empty for those of the network or of the system.' });
export const SshKey = z.string().trim().max(8192)
  .regex(/^(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521)|sk-ssh-ed25519@openssh\.com|sk-ecdsa-sha2-nistp256@openssh\.com) [A-Za-z0-9+/]{40,}={0,2}( [^\p{C}]*)?$/u, 'One public key as in a .pub file: type, key, comment. No options before it.');
export const SshKeys = z.array(SshKey).max(50, 'At most fifty.').meta({ label: 'SSH keys', help: 'Public keys that may sign in as root. Without any, SSH is off.' });

function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return /^[A-Za-z][A-Za-z0-9_+/-]*$/.test(name);
  } catch {
    return false;
  }
}

const settingsFields = { hostname: Hostname, timeZone: TimeZone, ntpServers: NtpServers, sshKeys: SshKeys };
const partial = Object.fromEntries(Object.entries(settingsFields).map(([name, field]) => [name, field.optional()])) as { [K in keyof typeof settingsFields]: z.ZodOptional<(typeof settingsFields)[K]> }; // the same keys
export const HostSettingsInput = z.object({ host: HostRef, ...partial });

export const HostSettingsOutput = z.object({
  /** What people wish; null for what is left as it is. */
  wanted: z.object({ hostname: z.string().nullable(), timeZone: z.string().nullable(), ntpServers: z.array(z.string()).nullable(), sshKeys: z.array(z.string()).nullable() }),
  /** What the machine has. */
  actual: z.object({ hostname: z.string(), timeZone: z.string(), ntpServers: z.array(z.string()), sshKeys: z.array(z.string()) }),
  /** False on a machine that the service must leave alone (BOTHY_MANAGE_HOST is not "yes"). */
  isManaged: z.boolean(),
  generation: z.number().int(),
});

export const HostStatusOutput = z.object({
  id: z.uuid(),
  name: z.string(),
  /** `well`; `attention`: it works, but somebody should look; `trouble`: something does not work. */
  state: z.enum(['well', 'attention', 'trouble']),
  /** What is wrong, the worst first. */
  troubles: z.array(z.object({ code: z.string(), severity: z.enum(['warning', 'error']), message: z.string(), nextStep: z.string().nullable() })),
  versions: z.object({ bothy: z.string(), os: z.string(), kernel: z.string(), libvirt: z.string(), qemu: z.string() }),
  watchdog: WatchingOutput,
  /** Null when that is not known, as at the first start. */
  lastEnd: LastEndOutput.nullable(),
  /** Where a browser finds it, the best first. */
  urls: z.array(z.string()),
  /** SHA-256 of the certificate that browsers are shown; null without TLS. */
  fingerprint: z.string().nullable(),
  ports: z.array(z.object({
    name: z.string(), mac: z.string(), isUp: z.boolean(), speedMbps: z.number(), isBridge: z.boolean(),
    addresses: z.array(z.object({ address: z.string(), isLinkLocal: z.boolean() })),
  })),
  /** The task that shuts it down or restarts it; null while none does. */
  leaving: z.uuid().nullable(),
});

const Pem = z.string().trim().max(64 * 1024, 'The text is larger than 64 KiB.');
export const CertificatePair = z.object({
  chain: Pem.meta({ label: 'Certificate', widget: 'code', help: 'PEM: first that of this machine, then those that signed it.' }),
  key: Pem.meta({ label: 'Private key', widget: 'code', secret: true, help: 'PEM, without a password.' }),
});
export const CertificateInput = CertificatePair.extend({ host: HostRef });
export const CertificateOutput = z.object({
  /** Made by this machine and signed by itself. */
  isOwn: z.boolean(),
  subject: z.string(),
  issuer: z.string(),
  names: z.array(z.string()),
  validFrom: z.int(),
  validTo: z.int(),
  fingerprint: z.string(),
  chain: z.string(),
}).nullable();
