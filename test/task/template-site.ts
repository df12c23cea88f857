/**
 * Templates as tests see them: what each image and each disk over it holds, and that nobody may write to an image. Used with the simulated
 * image tool (quick, test/task) and with qemu-img (test/contract).
 */
import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { Problem } from '../../appliance/core/problem.ts';
import { snapshotCreate, snapshotDelete, snapshotPreview, snapshotUndo, vmDelete } from '../../appliance/vm/operations.ts';
import { templateCreate, templateDelete, templateVm } from '../../appliance/vm/template/operations.ts';
import type { ImageTool } from '../../appliance/world.ts';
import { createVirtualClock } from '../world/clock.ts';
import type { GuestWrite } from '../world/guest-disk.ts';
import { createSimulatedHost } from '../world/world.ts';
import { openLife, settle } from './harness.ts';
import { chainFaults, diskIds, guestWrites, hashOf, sourceOf } from './snapshot-site.ts';
import { carryOut, makeVm, openVmSite, perform, type VmSite } from './vm-site.ts';

const MiB = 2 ** 20;
export const imagesOf = ({ services }: VmSite, ref: string): string[] => services.templates.disks(services.templates.require(ref).id).map(({ diskId }) => diskId);
const leafHash = (site: VmSite, disk: string, tool: ImageTool) => hashOf(tool, sourceOf(site, disk, site.storage.requireDisk(disk).volumeId));
/** What each image of a template holds. */
export const hashesOfTemplate = (site: VmSite, ref: string, tool: ImageTool) => Promise.all(imagesOf(site, ref).map((disk) => leafHash(site, disk, tool)));
/** What each disk of a VM shows. */
export const hashesOfVm = (site: VmSite, vm: string, tool: ImageTool) => Promise.all(diskIds(site, vm).map((disk) => leafHash(site, disk, tool)));

/** Images that somebody but root could write to. */
export function writableImages(site: VmSite, ref: string): string[] {
  return imagesOf(site, ref).filter((disk) => (statSync(site.storage.layers.path(disk, site.storage.requireDisk(disk).volumeId)).mode & 0o777) !== 0o440);
}

export interface TemplateParts {
  /** qemu-img in place of the simulated tool. */
  imageTool?: ImageTool;
  write: GuestWrite;
}

/** A template of a VM with a raw and a cow disk, two thin VMs and a clone on it: each lives its own life, and the template stays as it is. */
export async function playTemplate({ imageTool, write }: TemplateParts): Promise<void> {
  const statePath = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'bothy-template-'));
  const clock = createVirtualClock();
  const life = openLife({ host: createSimulatedHost({ clock, statePath }), clock, statePath }, async () => {});
  if (imageTool) Object.assign(life.world, { imageTool });
  const tool = life.world.imageTool;
  try {
    const site = await openVmSite(life);
    const writes = (vm: string, disk: number, block: number, value: number) => guestWrites(site, { vm, disk, block, value, write });
    makeVm(site, { name: 'origin', disks: [{ sizeBytes: MiB }, { sizeBytes: MiB, format: 'raw' }] });
    await settle(life);
    for (const disk of [0, 1]) await writes('origin', disk, 1, 11);
    await carryOut(site, life, snapshotCreate, { vm: 'origin', name: 'early' });
    for (const disk of [0, 1]) await writes('origin', disk, 2, 22);
    const now = await hashesOfVm(site, 'origin', tool);
    await carryOut(site, life, templateCreate, { vm: 'origin', name: 'debian' });
    await carryOut(site, life, templateCreate, { vm: 'origin', snapshot: 'early', name: 'debian' });
    assert.equal(await hashesOfTemplate(site, 'debian:1', tool), now, 'a template shows what its VM shows');
    const early = await hashesOfTemplate(site, 'debian', tool);
    assert.not.equal(early, now, 'the second version is of the snapshot');
    assert.equal([...writableImages(site, 'debian:1'), ...writableImages(site, 'debian')], []);

    for (const name of ['one', 'two']) perform(site, templateVm, { template: 'debian:1', name });
    perform(site, templateVm, { template: 'debian:2', name: 'copy', mode: 'clone' });
    await settle(life);
    assert.equal(await hashesOfVm(site, 'one', tool), now);
    assert.equal(await hashesOfVm(site, 'copy', tool), early);
    await writes('one', 0, 5, 55);
    assert.not.equal(await hashesOfVm(site, 'one', tool), now);
    assert.equal(await hashesOfVm(site, 'two', tool), now, 'its neighbour sees nothing of it');

    const written = await hashesOfVm(site, 'one', tool);
    await carryOut(site, life, snapshotCreate, { vm: 'one', name: 'first' });
    await writes('one', 1, 6, 66);
    await carryOut(site, life, snapshotPreview, { vm: 'one', snapshot: 'first' });
    assert.equal(await hashesOfVm(site, 'one', tool), written);
    await carryOut(site, life, snapshotUndo, { vm: 'one', snapshot: 'first' });
    await settle(life);
    const last = await hashesOfVm(site, 'one', tool);
    await carryOut(site, life, snapshotDelete, { vm: 'one', snapshot: 'first' });
    assert.equal(await hashesOfVm(site, 'one', tool), last, 'its layers were merged with each other, not into the template');
    assert.equal([...(await chainFaults(site, 'one')), ...(await chainFaults(site, 'two')), ...(await chainFaults(site, 'copy'))], []);
    assert.equal([await hashesOfTemplate(site, 'debian:1', tool), writableImages(site, 'debian:1')], [now, []], 'the template is as it was');

    // A template of a VM that lies on one stands for itself.
    await carryOut(site, life, templateCreate, { vm: 'one', name: 'grown' });
    assert.equal(await hashesOfTemplate(site, 'grown', tool), last);
    await requireRefusal(() => perform(site, templateDelete, { template: 'debian:1' }), /the VM "one", the VM "two"/);
    for (const vm of ['one', 'two', 'copy', 'origin']) await carryOut(site, life, vmDelete, { vm });
    await settle(life);
    for (const template of ['debian:1', 'debian:2', 'grown']) await carryOut(site, life, templateDelete, { template });
    assert.equal(site.services.database.sql.all('select id from disk union select id from storage_reservation union select id from vm_template'), []);
  } finally {
    life.end();
    rmSync(statePath, { recursive: true, force: true, maxRetries: 5 });
  }
}

async function requireRefusal(act: () => unknown, words: RegExp): Promise<void> {
  try {
    act();
  } catch (error) {
    assert.instance(error, Problem);
    assert.match((error as Problem).message, words); // asserted above
    return;
  }
  assert.unreachable('it was not refused');
}
