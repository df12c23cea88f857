/**
 * What is taken away from a box to save time under emulation, from outside: the firmware's tables, which systemd and the
 * image's EFI stub read. Together it halves the work of a boot. AppArmor, the screens and the health gate go with it: what
 * tests those takes an untouched box. Called by box.ts.
 */
export interface Tuning {
  kernelOptions: readonly string[];
  vendorStrings: readonly string[];
}

export const untouched: Tuning = { kernelOptions: [], vendorStrings: [] };

/** Devices that a box has, instead of all that the kernel knows: modules of processor extras test themselves for seconds. */
const coldplug = dropIn('systemd-udev-trigger.service', `[Service]
ExecStart=
ExecStart=udevadm trigger --type=devices --action=add ${['block', 'net', 'virtio', 'virtio-ports', 'misc', 'pci', 'usb', 'tty', 'input', 'drm', 'watchdog'].map((name) => `-s ${name}`).join(' ')}
`);

/** The gate asks the service, by a program of its own each time, just while that starts. Tests of updates leave it as it is (`gated`). */
const gate = dropIn('bothy-health.service', `[Service]
ExecStart=
ExecStart=/bin/true
`);

/** The screens are another Node program; what looks at them starts bothy-console.service itself. */
const masked = ['systemd-timesyncd.service', 'bothy-console.path', 'bothy-console.timer'];

export const tuned: Tuning = {
  kernelOptions: ['lsm=capability', '8250.nr_uarts=1', 'quiet', 'modules_load=kvm_amd', ...masked.map((name) => `systemd.mask=${name}`)],
  vendorStrings: [coldplug, gate],
};

/** While an update is unpacked under emulation on a busy machine, the service may be silent for a minute. */
const patientWatchdog = dropIn('bothyd.service', `[Service]
Environment=BOTHY_WATCHDOG_SECONDS=900
`);

/** For tests of updates, which are about the gate. */
export const gated: Tuning = { ...tuned, vendorStrings: [coldplug, patientWatchdog] };

/** For boxes whose VMs run: on one emulated processor they hold the service up for longer than a real machine's watchdog may wait. */
export const patient: Tuning = { kernelOptions: [], vendorStrings: [patientWatchdog] };

function dropIn(unit: string, text: string): string {
  return `io.systemd.credential.binary:systemd.unit-dropin.${unit}=${Buffer.from(text).toString('base64')}`;
}
