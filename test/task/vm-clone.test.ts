/** A VM from one that is down: copies of its disks byte for byte, cut at any instant; until they are made nothing starts with what is read. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { snapshotCreate, vmClone, vmStart } from '../../appliance/vm/operations.ts';
import { createVirtualClock } from '../world/clock.ts';
import { simulatedWrite } from '../world/guest-disk.ts';
import { createSimulatedHost } from '../world/world.ts';
import { checkKills, type Life, openLife, settle } from './harness.ts';
import { chainFaults, guestWrites, shownBy } from './snapshot-site.ts';
import { begin, carryOut, makeVm, observeSite, openVmSite, perform, remember, type VmSite } from './vm-site.ts';

const vm = 'web-1';
const MiB = 2 ** 20;

/** Two disks of either format, one of them with a layer. */
async function prepare(site: VmSite, life: Life): Promise<void> {
  makeVm(site, { firmware: 'efi', disks: [{ sizeBytes: MiB }, { sizeBytes: MiB, format: 'raw' }] });
  await settle(life);
  for (const disk of [0, 1]) await guestWrites(site, { vm, disk, block: 1, value: 1, write: simulatedWrite });
  remember(site, vm, 'first');
  await carryOut(site, life, snapshotCreate, { vm, name: 'one' });
  for (const disk of [0, 1]) await guestWrites(site, { vm, disk, block: 2, value: 2, write: simulatedWrite });
}

async function observe(site: VmSite, life: Life): Promise<unknown> {
  const names = site.services.rows.all().map(({ name }) => name).sort();
  const shown = [];
  for (const name of names) shown.push({ name, shown: (await shownBy(site, name, life.world.imageTool)).present, faults: await chainFaults(site, name) });
  const withoutMacs = JSON.parse(JSON.stringify(observeSite(site, life)).replace(/52:54:00:(?!00:00:01)[0-9a-f:]{8}/g, 'chosen'));
  return { shown, site: withoutMacs, reserved: site.services.database.sql.all('select id from storage_reservation') };
}

/** The first of its two copies is the task that is watched. */
const beginClone = (site: VmSite) => {
  perform(site, vmClone, { vm, name: 'copy' });
  return site.services.tasks.list({ limit: 2, isActive: true })[0]?.id ?? '';
};

test('a copy of a VM ends the same after a power cut at any instant', () => checkKills<VmSite>({ name: 'vm.clone', open: (life) => openVmSite(life), prepare, begin: beginClone, observe }));

test('it shows what the other showed, has addresses of its own, and nothing starts before it is whole', async () => {
  const statePath = mkdtempSync(join(tmpdir(), 'bothy-clone-'));
  const clock = createVirtualClock();
  const host = createSimulatedHost({ clock, statePath });
  const life = openLife({ host, clock, statePath }, async () => {});
  try {
    const site = await openVmSite(life);
    await prepare(site, life);
    const before = (await shownBy(site, vm, host.imageTool)).present;
    perform(site, vmClone, { vm, name: 'copy' });
    assert.throws(() => begin(site, snapshotCreate, { vm, name: 'two' }), /is being changed or filled/);
    const tried = begin(site, vmStart, { vm });
    await settle(life);
    assert.match(JSON.stringify(life.core.tasks.get(tried)?.problem), /is being changed or filled/);
    assert.equal((await shownBy(site, 'copy', host.imageTool)).present, before);
    const { rows } = site.services;
    const [one, other] = [rows.require(vm), rows.require('copy')];
    assert.is(new Set([one, other].flatMap(({ id }) => rows.nics(id)).map(({ mac }) => mac)).size, 2);
    assert.equal(rows.disks(other.id).map(({ slot }) => slot), rows.disks(one.id).map(({ slot }) => slot));
    for (const name of [vm, 'copy']) await carryOut(site, life, vmStart, { vm: name });
    assert.throws(() => begin(site, vmClone, { vm, name: 'third' }), /take a snapshot and make a VM of that/);
  } finally {
    life.end();
    rmSync(statePath, { recursive: true, force: true, maxRetries: 5 });
  }
});

test.run();
