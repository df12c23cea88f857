/** Making a template whose system is generalised, cut at any instant and failing at any step: never one with identity, or with half of it. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { templateCreate } from '../../appliance/vm/template/operations.ts';
import { identityAt } from '../world/generaliser.ts';
import { simulatedWrite } from '../world/guest-disk.ts';
import { checkTask, openLife, settle } from './harness.ts';
import { blockBytes, guestWrites } from './snapshot-site.ts';
import { common, vm, withVm } from './template-cases.ts';
import { hashesOfTemplate, hashesOfVm, writableImages } from './template-site.ts';
import { begin, carryOut, openVmSite, type VmSite } from './vm-site.ts';
import { createVirtualClock } from '../world/clock.ts';
import { createSimulatedHost } from '../world/world.ts';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Life } from './harness.ts';

const identity = identityAt / blockBytes;

async function withIdentity(site: VmSite, life: Life): Promise<void> {
  await withVm(site, life);
  await writeIdentity(site, 9);
}

const writeIdentity = (site: VmSite, value: number) => Promise.all([0, 1].map((disk) => guestWrites(site, { vm, disk, block: identity, value, write: simulatedWrite })));

checkTask<VmSite>(test, { ...common, name: 'template.create of a VM, generalised', prepare: withIdentity, begin: (site) => begin(site, templateCreate, { vm, name: 'debian', generalise: true }) });

test('the template is without identity, the VM keeps its own, and one that fails in the middle leaves nothing', async () => {
  const statePath = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'bothy-generalise-'));
  const clock = createVirtualClock();
  const host = createSimulatedHost({ clock, statePath });
  const life = openLife({ host, clock, statePath }, async () => {});
  try {
    const site = await openVmSite(life);
    const tool = life.world.imageTool;
    await withIdentity(site, life);
    const before = await hashesOfVm(site, vm, tool);
    host.generaliser.failNext(new Error('the system cannot be read'));
    const failed = begin(site, templateCreate, { vm, name: 'debian', generalise: true });
    await settle(life);
    assert.is(life.core.tasks.get(failed)?.state, 'failed');
    assert.equal(site.services.templates.list(undefined), []);
    await carryOut(site, life, templateCreate, { vm, name: 'debian', generalise: true });
    const made = await hashesOfTemplate(site, 'debian', tool);
    assert.equal([writableImages(site, 'debian'), site.services.templates.require('debian').isGeneralised], [[], true]);
    assert.equal(await hashesOfVm(site, vm, tool), before, 'the VM has what it had');
    await writeIdentity(site, 0);
    assert.equal(made, await hashesOfVm(site, vm, tool), 'the template is the VM without its identity');
  } finally {
    life.end();
    rmSync(statePath, { recursive: true, force: true, maxRetries: 5 });
  }
});

test.run();
