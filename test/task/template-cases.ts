/** What the tests of tasks of templates set up and look at: what each image holds, and every file. */
import { existsSync, readdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { snapshotCreate } from '../../appliance/vm/operations.ts';
import { templateCreate, templateVm } from '../../appliance/vm/template/operations.ts';
import { simulatedWrite } from '../world/guest-disk.ts';
import { type Life, settle } from './harness.ts';
import { chainFaults, guestWrites } from './snapshot-site.ts';
import { hashesOfTemplate, hashesOfVm, writableImages } from './template-site.ts';
import { carryOut, makeVm, observeSite, openVmSite, perform, type VmSite } from './vm-site.ts';

export const vm = 'web-1';
const sizeBytes = 2 ** 20;

export async function observe(site: VmSite, life: Life): Promise<unknown> {
  const { templates, rows, database } = site.services;
  const tool = life.world.imageTool;
  const made = templates.list(undefined).filter(({ state }) => state === 'ok');
  return {
    site: observeSite(site, life),
    templates: templates.list(undefined).map(({ createdAt: _created, ...row }) => ({ ...row, disks: templates.disks(row.id) })),
    images: await Promise.all(made.map(({ id }) => hashesOfTemplate(site, id, tool))),
    writable: made.flatMap(({ id }) => writableImages(site, id)),
    vms: await Promise.all(rows.all().map(async ({ name }) => [await hashesOfVm(site, name, tool), await chainFaults(site, name)])),
    folders: folders(site),
    reserved: database.sql.all('select id from storage_reservation'),
  };
}

/** How many images lie there, whether or not anything knows of them. */
function folders({ storage, services }: VmSite): number {
  const [disk] = services.database.sql.all('select id, volumeId as volume from disk') as { id: string; volume: string }[]; // as asked for
  const images = disk && dirname(dirname(storage.layers.path(disk.id, disk.volume)));
  return images && existsSync(images) ? readdirSync(images).length : 0;
}

export const common = { open: (life: Life) => openVmSite(life), observe };
const write = (site: VmSite, value: number) => Promise.all([0, 1].map((disk) => guestWrites(site, { vm, disk, block: value, value, write: simulatedWrite })));

const twoDisks = { disks: [{ sizeBytes }, { sizeBytes, format: 'raw', allocation: 'preallocated' }] };

export async function withVm(site: VmSite, life: Life): Promise<void> {
  makeVm(site, twoDisks);
  await settle(life);
  await write(site, 1);
  await carryOut(site, life, snapshotCreate, { vm, name: 'early' });
  await write(site, 2);
}

export async function withTemplate(site: VmSite, life: Life): Promise<void> {
  makeVm(site, { disks: [{ sizeBytes }], nics: [] }); // one task for a VM of it, and no address that chance gives
  await settle(life);
  await write(site, 1);
  await carryOut(site, life, templateCreate, { vm, name: 'debian' });
}

/** The task that a VM's creation starts. */
export function beginVm(site: VmSite, life: Life, mode: string): string {
  perform(site, templateVm, { template: 'debian', name: 'made', mode });
  return life.core.tasks.list({ limit: 10, isActive: true }).at(-1)?.id ?? '';
}
