/**
 * Which accelerator VMs get. Pure.
 *
 * `auto` takes KVM only where the CPU shows vmx or svm, kvm_intel or kvm_amd is loaded, and libvirt offers it. A `/dev/kvm` that merely opens
 * proves nothing: nested and container kernels have one that hangs.
 */
export type Accelerator = 'kvm' | 'tcg';
export type WantedAccelerator = 'auto' | Accelerator;

export interface Virtualization {
  /** What /proc/cpuinfo shows. */
  flag: '' | 'vmx' | 'svm';
  isKvmLoaded: boolean;
  /** What libvirt offers; undefined while it cannot be asked. */
  domainTypes: string[] | undefined;
}

export interface Acceleration {
  accelerator: Accelerator;
  /** Why, a whole sentence. */
  reason: string;
  /** KVM was asked for and cannot be had: no VM may start. */
  isRefused: boolean;
  warning?: { message: string; nextStep: string };
}

/** Feature 10-08, to the letter. */
const unavailable = 'Virtualization hardware is unavailable. (No virtualization hardware was detected on this system)';

export function decideAcceleration(wanted: WantedAccelerator, seen: Virtualization): Acceleration {
  if (wanted === 'tcg') return { accelerator: 'tcg', reason: 'BOTHY_ACCEL asks for software emulation.', isRefused: false };
  const lack = findLack(seen);
  if (!lack) return { accelerator: 'kvm', reason: `The CPU has ${seen.flag === 'svm' ? 'AMD-V (svm)' : 'Intel VT (vmx)'} and KVM is loaded.`, isRefused: false };
  if (wanted === 'kvm') {
    const nextStep = `${lack.nextStep} Or set BOTHY_ACCEL to auto, which falls back to slow software emulation.`;
    return { accelerator: 'kvm', isRefused: true, reason: `BOTHY_ACCEL asks for KVM, but ${lack.reason}`, warning: { message: `VMs cannot start: BOTHY_ACCEL asks for KVM, but ${lack.reason}`, nextStep } };
  }
  return { accelerator: 'tcg', reason: `VMs run in slow software emulation: ${lack.reason}`, isRefused: false, warning: { message: unavailable, nextStep: lack.nextStep } };
}

function findLack({ flag, isKvmLoaded, domainTypes }: Virtualization): { reason: string; nextStep: string } | undefined {
  if (flag === '') {
    return {
      reason: 'the CPU shows neither Intel VT (vmx) nor AMD-V (svm).',
      nextStep: 'Switch on Intel VT or AMD-V in the firmware set-up of this machine, often under "CPU" or "Virtualization". If it is itself a virtual machine, allow nested virtualization for it.',
    };
  }
  if (!isKvmLoaded) {
    const module = flag === 'svm' ? 'kvm_amd' : 'kvm_intel';
    return {
      reason: `the kernel module ${module} is not loaded.`,
      nextStep: `Load it with "modprobe ${module}". If the kernel refuses, virtualization is switched off in the firmware set-up.`,
    };
  }
  if (domainTypes && !domainTypes.includes('kvm')) {
    return { reason: 'libvirt does not offer KVM.', nextStep: 'See whether /dev/kvm exists and whether QEMU may open it; then restart libvirtd.' };
  }
  return undefined;
}

/** Losing libvirt for less is not told: it restarts within a second or two on every upgrade. */
export const connectionGraceMs = 3_000;

/** How long the event loop may be held up before the service counts as unhealthy, milliseconds. */
export const longestLagMs = 1_000;

interface Settings {
  hostname: string;
  timeZone: string;
  ntpServers: string[];
  sshKeys: string[];
}

/** What must change so that the machine is as wished; null wishes leave it as it is. */
export function settingsToApply(wanted: { [K in keyof Settings]: Settings[K] | null }, actual: Settings): Partial<Settings> {
  const { hostname, timeZone, ntpServers, sshKeys } = wanted;
  const differs = (left: string[], right: string[]) => left.join('\n') !== right.join('\n');
  return {
    ...(hostname !== null && hostname !== actual.hostname && { hostname }),
    ...(timeZone !== null && timeZone !== actual.timeZone && { timeZone }),
    ...(ntpServers !== null && differs(ntpServers, actual.ntpServers) && { ntpServers }),
    ...(sshKeys !== null && differs(sshKeys, actual.sshKeys) && { sshKeys }),
  };
}

/**
 * How long a guest is waited for before the next one is asked, too: all have been asked after half of the deadline.
 */
export function pauseBetween(guests: number, deadlineMs: number): number {
  return Math.min(longestPauseMs, Math.floor(deadlineMs / 2 / Math.max(1, guests)));
}

const longestPauseMs = 60_000;

// ------------------------------------------------------------------------------------------------ status

interface Standing {
  code: string;
  severity: 'info' | 'warning' | 'error';
  message: string;
  nextStep: string | null;
}

/** All that is wrong, the worst first, and what it comes to. */
export function judgeStatus(standing: Standing[], { isDatabaseWritable, reason }: { isDatabaseWritable: boolean; reason: string }) {
  const own: Standing[] = [
    ...(isDatabaseWritable ? [] : [{ code: 'host.database', severity: 'error' as const, message: 'The appliance cannot write its database.', nextStep: 'See whether its disk is full or broken.' }]),
    ...(reason === '' || standing.some(({ code }) => code === 'host.libvirt-lost') ? [] : [{ code: 'host.non-operational', severity: 'error' as const, message: reason, nextStep: null }]),
  ];
  const troubles = [...own, ...standing].flatMap(({ code, severity, message, nextStep }) => (severity === 'info' ? [] : [{ code, severity, message, nextStep }]))
    .sort((left, right) => Number(right.severity === 'error') - Number(left.severity === 'error'));
  const state = troubles.length === 0 ? 'well' as const : troubles.some(({ severity }) => severity === 'error') ? 'trouble' as const : 'attention' as const;
  return { state, troubles };
}

interface Port {
  name: string;
  isUp: boolean;
  addresses: string[];
}

export const isLinkLocal = (address: string) => /^(169\.254\.|fe[89ab][0-9a-f]:)/i.test(address);

/** Bridges of networks that guests share among themselves: nobody reaches the host there. */
const isGuestsOwn = ({ name }: Port) => /^(virbr|docker|podman|cni|lxc|lxd)/.test(name);

/** Where a browser finds this host: on every port, IPv4 before IPv6, addresses that the whole network knows before link-local ones. */
export function urlsOf({ host, port }: { host: string; port: number }, isSecure: boolean, ports: Port[]): string[] {
  const isAny = host === '0.0.0.0' || host === '::';
  const seen = ports.filter((each) => each.isUp && !isGuestsOwn(each)).flatMap(({ addresses }) => addresses.map((address) => address.split('/')[0] ?? ''));
  const rank = (address: string) => (isLinkLocal(address) ? 2 : 0) + (address.includes(':') ? 1 : 0);
  // A browser takes no link-local IPv6 address: it has no way to say on which port.
  const usable = seen.filter((address) => rank(address) < 3 && (host === '::' || !address.includes(':')));
  const addresses = isAny ? usable.sort((left, right) => rank(left) - rank(right)) : [host];
  const place = port === (isSecure ? 443 : 80) ? '' : `:${port}`;
  return addresses.map((address) => `${isSecure ? 'https' : 'http'}://${address.includes(':') ? `[${address}]` : address}${place}`);
}
