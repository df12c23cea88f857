/** A VM from a snapshot has what the snapshot holds, byte for byte, whether the VM that it is of runs or not; the copies' own task is killed elsewhere (disk.copy). */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { snapshotClone, snapshotCreate, snapshotDelete, vmStart } from '../../appliance/vm/operations.ts';
import { simulatedWrite } from '../world/guest-disk.ts';
import { createSimulatedHost } from '../world/world.ts';
import { createVirtualClock } from '../world/clock.ts';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openLife, settle } from './harness.ts';
import { chainFaults, guestWrites, runningGuestWrites, shownBy } from './snapshot-site.ts';
import { begin, carryOut, makeVm, openVmSite, perform } from './vm-site.ts';

test('its disks are copies of what the snapshot holds, and stay so when that is deleted', async () => {
  const statePath = mkdtempSync(join(tmpdir(), 'bothy-clone-'));
  const clock = createVirtualClock();
  const host = createSimulatedHost({ clock, statePath });
  const life = openLife({ host, clock, statePath }, async () => {});
  try {
    const site = await openVmSite(life);
    const vm = 'web-1';
    makeVm(site, { disks: [{ sizeBytes: 2 ** 20 }, { sizeBytes: 2 ** 20, format: 'raw' }] });
    await settle(life);
    for (const disk of [0, 1]) await guestWrites(site, { vm, disk, block: 1, value: 1, write: simulatedWrite });
    await carryOut(site, life, snapshotCreate, { vm, name: 'one' });
    await carryOut(site, life, vmStart, { vm });
    for (const disk of [0, 1]) await runningGuestWrites(host, { vm, disk, block: 2, value: 2 });
    await carryOut(site, life, snapshotCreate, { vm, name: 'two' });
    for (const disk of [0, 1]) await runningGuestWrites(host, { vm, disk, block: 1, value: 3 });
    const { snapshots } = await shownBy(site, vm, host.imageTool);
    for (const name of ['one', 'two']) perform(site, snapshotClone, { vm, snapshot: name, name: `from-${name}` });
    assert.throws(() => begin(site, snapshotDelete, { vm, snapshot: 'one' }), /is being copied/);
    await settle(life);
    await carryOut(site, life, snapshotDelete, { vm, snapshot: 'one' });
    for (const name of ['one', 'two']) {
      assert.equal((await shownBy(site, `from-${name}`, host.imageTool)).present, snapshots[name], name);
      assert.equal(await chainFaults(site, `from-${name}`), []);
    }
    const { rows } = site.services;
    assert.equal(new Set([vm, 'from-one', 'from-two'].flatMap((name) => rows.nics(rows.require(name).id)).map(({ mac }) => mac)).size, 3);
    assert.equal(rows.disks(rows.require('from-two').id).map(({ slot }) => slot), rows.disks(rows.require(vm).id).map(({ slot }) => slot));
    await carryOut(site, life, vmStart, { vm: 'from-two' });
  } finally {
    life.end();
    rmSync(statePath, { recursive: true, force: true, maxRetries: 5 });
  }
});

test.run();
