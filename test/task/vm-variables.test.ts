/** UEFI variables of snapshots, previews, clones and templates: what each begins with. That they change together with the disks over kills: vm-snapshots, vm-live-snapshots and vm-clone. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { foldersOf } from '../../appliance/vm/definition/guest.ts';
import { snapshotClone, snapshotCommit, snapshotCreate, snapshotDelete, snapshotPreview, snapshotUndo, vmClone, vmDelete, vmPowerOff, vmStart, vmSuspend } from '../../appliance/vm/operations.ts';
import { templateCreate, templateDelete, templateVm } from '../../appliance/vm/template/operations.ts';
import { createVirtualClock } from '../world/clock.ts';
import { createSimulatedHost } from '../world/world.ts';
import { checkKills, type Life, openLife, settle } from './harness.ts';
import { shownBy } from './snapshot-site.ts';
import { begin, carryOut, makeVm, observeSite, openVmSite, perform, remember, type VmSite } from './vm-site.ts';

const vm = 'web-1';
// biome-ignore lint/suspicious/noExplicitAny: plain data made by `observe`
type Plain = any;

async function observe(site: VmSite, life: Life): Promise<Plain> {
  const { snapshots, rows } = site.services;
  return { site: observeSite(site, life), shown: await shownBy(site, vm, life.world.imageTool), present: snapshots.present(rows.require(vm).id) };
}
const common = { open: (life: Life) => openVmSite(life), observe };

async function ran(site: VmSite, life: Life): Promise<void> {
  makeVm(site, { firmware: 'efi' });
  await settle(life);
  await carryOut(site, life, vmStart, { vm });
  remember(site, vm, 'first');
  await carryOut(site, life, vmPowerOff, { vm });
}
const runs = async (site: VmSite, life: Life) => {
  await ran(site, life);
  await carryOut(site, life, vmStart, { vm });
};
const kept = async (site: VmSite, life: Life) => {
  await ran(site, life);
  await carryOut(site, life, snapshotCreate, { vm, name: 'one' });
  remember(site, vm, 'other');
};
const previewed = async (site: VmSite, life: Life) => {
  await kept(site, life);
  await carryOut(site, life, snapshotPreview, { vm, snapshot: 'one' });
};

test('vm.start with variables that are due ends the same after a power cut at any instant', () => checkKills<VmSite>({ ...common, name: 'vm.start', prepare: previewed, begin: (site) => begin(site, vmStart, { vm }) }));

async function inOneLife(play: (site: VmSite, life: Life) => Promise<void>): Promise<void> {
  const statePath = mkdtempSync(join(tmpdir(), 'bothy-variables-'));
  const clock = createVirtualClock();
  const host = createSimulatedHost({ clock, statePath });
  const life = openLife({ host, clock, statePath }, async () => {});
  try {
    await play(await openVmSite(life), life);
  } finally {
    life.end();
    rmSync(statePath, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** What the firmware of a VM finds when it starts. */
async function found(site: VmSite, life: Life, name: string): Promise<string> {
  await carryOut(site, life, vmStart, { vm: name });
  const { nvram } = foldersOf(life.core.statePath, site.services.rows.require(name).id);
  const word = readFileSync(nvram).subarray(0, 5).toString();
  await carryOut(site, life, vmPowerOff, { vm: name });
  return word;
}

test('a preview finds those of the snapshot, what is undone brings back the others, what is committed stays', () => inOneLife(async (site, life) => {
  await previewed(site, life);
  assert.is(await found(site, life, vm), 'first');
  remember(site, vm, 'trial');
  await carryOut(site, life, snapshotUndo, { vm, snapshot: 'one' });
  await settle(life);
  assert.is(await found(site, life, vm), 'other');
  await carryOut(site, life, snapshotPreview, { vm, snapshot: 'one' });
  await carryOut(site, life, snapshotCommit, { vm, snapshot: 'one' });
  await settle(life);
  assert.is(await found(site, life, vm), 'first');
}));

test('a snapshot of a VM that never ran has none: whoever goes back to it finds fresh ones', () => inOneLife(async (site, life) => {
  makeVm(site, { firmware: 'efi' });
  await settle(life);
  await carryOut(site, life, snapshotCreate, { vm, name: 'one' });
  assert.is(await found(site, life, vm), 'fresh');
  remember(site, vm, 'other');
  await carryOut(site, life, snapshotPreview, { vm, snapshot: 'one' });
  assert.is(await found(site, life, vm), 'fresh');
}));

test('clones, templates and the VMs made of these begin with what there was; the secrets of a TPM stay where they are', () => inOneLife(async (site, life) => {
  await kept(site, life);
  perform(site, vmClone, { vm, name: 'of-now' });
  await settle(life);
  perform(site, snapshotClone, { vm, snapshot: 'one', name: 'of-then' });
  await settle(life);
  perform(site, vmClone, { vm: 'of-then', name: 'of-clone' }); // which has never run
  await carryOut(site, life, templateCreate, { vm, name: 'now' });
  await carryOut(site, life, templateCreate, { vm, snapshot: 'one', name: 'then' });
  await settle(life);
  for (const template of ['now', 'then']) perform(site, templateVm, { template, name: `from-${template}` });
  await settle(life);
  remember(site, vm, 'later');
  const all = [];
  for (const name of ['of-now', 'of-then', 'of-clone', 'from-now', 'from-then']) all.push(await found(site, life, name));
  assert.equal(all, ['other', 'first', 'first', 'other', 'first']);
}));

test('what nobody can go back to is kept no longer', () => inOneLife(async (site, life) => {
  await previewed(site, life);
  const holders = () => (site.services.database.sql.all('select holder from vm_variables') as { holder: string }[]).map(({ holder }) => holder.split('/')[0]).sort();
  assert.equal(holders(), ['preview', 'snapshot', 'vm']);
  await found(site, life, vm);
  assert.equal(holders(), ['preview', 'snapshot']);
  await carryOut(site, life, snapshotCommit, { vm, snapshot: 'one' });
  await settle(life);
  await carryOut(site, life, snapshotDelete, { vm, snapshot: 'one' });
  assert.equal(holders(), []);
  await carryOut(site, life, templateCreate, { vm, name: 'now' });
  await carryOut(site, life, templateDelete, { template: 'now' });
  assert.equal(holders(), []);
  await carryOut(site, life, snapshotCreate, { vm, name: 'two' });
  await carryOut(site, life, snapshotPreview, { vm, snapshot: 'two' });
  await carryOut(site, life, vmDelete, { vm });
  assert.equal(holders(), []);
}));

test('what is suspended goes on with what its memory knows', () => inOneLife(async (site, life) => {
  await runs(site, life);
  await carryOut(site, life, vmSuspend, { vm });
  remember(site, vm, 'wrong');
  assert.is(await found(site, life, vm), 'first');
}));

test.run();
