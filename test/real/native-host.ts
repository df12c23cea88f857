/**
 * A rack host with the native binding connected to its libvirt, for the tests of native/.
 *
 * The binding runs in the test's own process and reaches the host's libvirtd through the socket's path under /proc, so a
 * test can stop daemons inside the host and watch Node's event loop outside. Guests are blank or boot a few bytes.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import * as assert from 'uvu/assert';
import { systemClock } from '../../appliance/core/clock.ts';
import type { Hypervisor, HypervisorEvent } from '../../appliance/world.ts';
import { HypervisorError } from '../../native/hypervisor-error.ts';
import { connectLibvirt } from '../../native/libvirt.ts';
import { checkout, openRackHost, type RackHost, type RackHostOptions } from './rack-host.ts';

export interface NativeHost {
  host: RackHost;
  libvirt: Hypervisor;
  /** All events so far, in order of arrival. */
  events: HypervisorEvent[];
  close(): Promise<void>;
}

export async function openNativeHost(options: RackHostOptions = {}): Promise<NativeHost> {
  const host = await openRackHost(options);
  const libvirt = connect(host);
  const events: HypervisorEvent[] = [];
  libvirt.onEvent((event) => events.push(event));
  return {
    host,
    libvirt,
    events,
    async close() {
      await libvirt.close();
      await host.close();
    },
  };
}

export const shimPath = join(checkout, 'native/build/libbothy.so');

export const uriOf = (host: RackHost): string => `qemu+unix:///system?socket=/proc/${host.pid}/root/run/libvirt/libvirt-sock`;

export function connect(host: RackHost): Hypervisor {
  return connectLibvirt({ uri: uriOf(host), library: shimPath, clock: systemClock });
}

/** A UUID that ends with `number`. */
export const uuidOf = (number: number): string => `6f5e0c1a-0000-4000-8000-${String(number).padStart(12, '0')}`;

/** A guest of 32 MiB with nothing but what is in `devices` (XML). */
export function guestXml(number: number, { name = `guest-${number}`, devices = '' } = {}): string {
  return `<domain type='qemu'><name>${name}</name><uuid>${uuidOf(number)}</uuid><memory unit='MiB'>32</memory><vcpu>1</vcpu>
    <os><type arch='x86_64' machine='q35'>hvm</type></os><features><acpi/></features>
    <devices><controller type='usb' model='qemu-xhci'/>${devices}</devices></domain>`;
}

export const diskXml = (path: string, target = 'vda', bus = 'virtio'): string =>
  `<disk type='file' device='disk'><driver name='qemu' type='raw' error_policy='stop'/><source file='${path}'/><target dev='${target}' bus='${bus}'/></disk>`;

export const cdromXml = (path = ''): string =>
  `<disk type='file' device='cdrom'><driver name='qemu' type='raw'/>${path && `<source file='${path}'/>`}<target dev='sda' bus='sata'/><readonly/></disk>`;

/** A raw disk whose first sector is `code`, 16-bit machine code that the BIOS starts. */
export function writeBootDisk(path: string, code: readonly number[], sizeBytes: number): void {
  const disk = Buffer.alloc(sizeBytes);
  Buffer.from(code).copy(disk);
  disk.writeUInt16LE(0xaa55, 510);
  writeFileSync(path, disk);
}

/** The first event that fits, past or future; fails after a generous time. */
export async function waitForEvent<T extends HypervisorEvent['type']>(
  events: readonly HypervisorEvent[], type: T, fits: (event: Extract<HypervisorEvent, { type: T }>) => boolean = () => true,
): Promise<Extract<HypervisorEvent, { type: T }>> {
  for (let tries = 0; tries < 1200; tries++) {
    for (const event of events) {
      const candidate = event as Extract<HypervisorEvent, { type: T }>; // only when its type is T, which comes first
      if (event.type === type && fits(candidate)) return candidate;
    }
    await sleep(25);
  }
  throw new Error(`no event "${type}" among ${JSON.stringify(events)}`);
}

/** What the promise rejects with; fails when it does not. */
export async function refusal(promise: Promise<unknown>): Promise<HypervisorError> {
  const error = await promise.then(() => undefined, (thrown: unknown) => thrown);
  assert.instance(error, HypervisorError);
  return error as HypervisorError; // asserted above
}

/** Stops or continues a guest's QEMU: SIGSTOP makes it as deaf as one that waits for dead storage. */
export async function signalQemu(host: RackHost, name: string, signal: 'STOP' | 'CONT'): Promise<void> {
  const pid = (await host.must(['cat', `/run/libvirt/qemu/${name}.pid`])).trim();
  await host.must(['kill', `-${signal}`, pid]);
}

export async function timed<T>(promise: Promise<T>): Promise<{ result: T; ms: number }> {
  const startedAt = performance.now();
  const result = await promise;
  return { result, ms: performance.now() - startedAt };
}
