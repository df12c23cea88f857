/**
 * What is killed: disks, ISO images and VMs as small as can be, made through the API, and how each is seen in the end.
 *
 * Guests have 64 MiB and no system: all that is asked of them is to run, and to let devices go when they are reset. Called by
 * test/real/service-kill-*.test.ts.
 */
import { readFileSync } from 'node:fs';
import { test } from 'uvu';
import { real } from './count.ts';
import { bootIso } from './guest/boot-guest.ts';
import { holdOf, killAtEveryInstant, type KillCase } from './kill-round.ts';
import type { RackHostOptions } from './rack-host.ts';
import { type Service, type Vm, withService } from './service.ts';
import { checkNothingIsLeft } from './service-files.ts';

export const MiB = 2 ** 20;
/** Kinds of task that change what a running guest has. */
export const deviceKinds = ['vm.plug', 'vm.unplug', 'vm.change-cdrom', 'vm.apply'];
/** Kinds that write a guest's memory to a file and read it. */
export const memoryKinds = ['vm.suspend', 'vm.restore', 'vm.discard-memory'];
export const snapshotKinds = ['vm.snapshot', 'vm.delete-snapshot', 'vm.preview-snapshot', 'vm.commit-snapshot', 'vm.undo-snapshot'];
export const octets = { 'content-type': 'application/octet-stream' };

/** A uvu test that kills all cases at once in a host of their own, and expects nothing to be left that belongs to nothing. */
export function checkKills(name: string, cases: KillCase[], { copies = 0, ...options }: RackHostOptions & { copies?: number } = {}): void {
  test(name, () => withService({ ...options, program: 'build/test/real/killable.js', env: { BOTHY_TEST_HOLD: holdOf(cases) } }, async (service) => {
    const kills = await killAtEveryInstant(service, cases);
    await checkNothingIsLeft(service, copies);
    console.log(`${kills} tasks killed: ${cases.map((each) => each.name).join(', ')}`);
    real('libvirt', 'qemu-img');
  }));
}

export const makeDisk = (service: Service, name: string, wish: object = {}) => service.carryOut('POST', '/disks', { name, sizeBytes: 4 * MiB, ...wish });

export const isoPath = (name: string) => `/storage-domains/isos/files/${name}`;
export const putIso = async (service: Service, name: string) => service.must('PUT', isoPath(name), readFileSync(await bootIso()), octets);

export const makeVm = (service: Service, name: string, wish: object = {}) => service.must<Vm>('POST', '/vms', { name, memoryBytes: 64 * MiB, ...wish });

export async function makeRunning(service: Service, name: string, wish: object = {}): Promise<void> {
  await makeVm(service, name, wish);
  await service.carryOut('POST', `/vms/${name}/start`);
}

/** The VM as the service says and as libvirt has it. */
export async function observeVm(service: Service, name: string) {
  const { status, body: vm } = await service.api<Vm>('GET', `/vms/${name}`);
  if (status === 404) return 'absent';
  const { state, reason, cdrom, disks, nics } = vm;
  const plugged = ({ isPlugged }: { isPlugged: boolean }) => isPlugged;
  const xml = state === 'down' || state === 'saved' ? '' : await service.host.must(['virsh', '-q', 'dumpxml', name]);
  const count = (pattern: RegExp) => xml.match(pattern)?.length ?? 0;
  return {
    state, reason, cdrom, disks: disks.map(plugged), nics: nics.map(plugged),
    domain: { state: (await service.host.run(['virsh', '-q', 'domstate', name])).stdout.trim(), disks: count(/<disk /g), nics: count(/<interface /g), medium: count(/<source file='[^']*\.iso'/g), limits: count(/<write_iops_sec>/g) },
  };
}
