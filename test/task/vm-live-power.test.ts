/**
 * The service dies before or after a call of libvirt while a snapshot of a VM that runs is taken or deleted; the guest, unless it is held, writes on; then the
 * power goes. What the guest had on its disks at that instant must be what it starts from.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { snapshotCreate, snapshotDelete, vmStart } from '../../appliance/vm/operations.ts';
import { chainOfDisk } from '../../appliance/vm/snapshot/live-chain.ts';
import type { ImageSource } from '../../appliance/world.ts';
import { createVirtualClock, type VirtualClock } from '../world/clock.ts';
import { formatXml } from '../world/xml.ts';
import { createSimulatedHost, type SimulatedHost } from '../world/world.ts';
import { type Lived, openLife, settle } from './harness.ts';
import { chainFaults, diskIds, hashOf, runningGuestWrites, shownBy } from './snapshot-site.ts';
import { begin, carryOut, makeVm, openVmSite, type VmSite } from './vm-site.ts';

const vm = 'web-1';
const changing = new Set(['stackLayers', 'mergeLayer', 'endMerge', 'suspend', 'resume']);

interface Play {
  host: SimulatedHost;
  clock: VirtualClock;
  statePath: string;
}

/** One life; with `killAt` it ends at that instant, counted over the calls that change a guest. */
async function live({ host, clock, statePath }: Play, killAt = 0): Promise<{ life: Lived; site: VmSite; arm(): void; seen: string[] }> {
  const seen: string[] = [];
  let isArmed = false;
  const life = openLife({ host, clock, statePath }, async () => {});
  life.world.control.watch(async (call, when) => {
    if (!isArmed || !changing.has(call)) return;
    seen.push(`${when} ${call}`);
    if (seen.length !== killAt) return;
    void life.core.tasks.stop();
    await life.kill();
  });
  return { life, site: await openVmSite(life), arm: () => { isArmed = true; }, seen };
}

/** What the guest has on its disks, as its QEMU has them open. */
async function truth({ host }: Play, disks: string[]): Promise<string[]> {
  const [domain] = host.libvirt.domains();
  const xml = domain ? formatXml(domain.tree) : '';
  return Promise.all(disks.map((disk) => {
    const { layers } = chainOfDisk(xml, disk) ?? { layers: [] };
    const image = layers.reduceRight<ImageSource | undefined>((below, path) => ({ path, format: below || disk === disks[0] ? 'qcow2' : 'raw', ...(below && { below }) }), undefined);
    return image ? hashOf(host.imageTool, image) : 'none';
  }));
}

type Deed = (site: VmSite) => string;

/** Resolves to the instants that there were. */
async function playCut(deed: Deed, killAt: number, isPowerCut: boolean): Promise<string[]> {
  const statePath = mkdtempSync(join(tmpdir(), 'bothy-power-'));
  const clock = createVirtualClock();
  const play: Play = { clock, statePath, host: createSimulatedHost({ clock, statePath }) };
  const first = await live(play, killAt);
  const lives = [first.life];
  try {
    makeVm(first.site, { disks: [{ sizeBytes: 2 ** 20 }, { sizeBytes: 2 ** 20, format: 'raw' }] });
    await settle(first.life);
    await carryOut(first.site, first.life, vmStart, { vm });
    const disks = diskIds(first.site, vm);
    const write = async (block: number, value = block + 1) => { for (const disk of [0, 1]) await runningGuestWrites(play.host, { vm, disk, block, value }); };
    await write(0);
    for (const name of ['one', 'two']) await carryOut(first.site, first.life, snapshotCreate, { vm, name }).then(() => write(name.length));
    await write(5);
    first.arm();
    deed(first.site);
    await settle(first.life);
    if (!first.life.signal.aborted) return first.seen;
    // Over what the topmost layer held: that is what an old one would hide.
    if (play.host.libvirt.domains().some(({ state }) => state === 'running')) await write(5, 99);
    const before = await truth(play, disks);
    if (isPowerCut) play.host.cutPower();
    const second = await live(play);
    lives.push(second.life);
    second.life.core.tasks.resume();
    await settle(second.life);
    await clock.advance(61_000);
    const where = `killed ${first.seen.at(-1)}, ${isPowerCut ? 'then the power' : 'the guest ran on'}`;
    assert.equal((await shownBy(second.site, vm, play.host.imageTool)).present, before, where);
    assert.equal(await chainFaults(second.site, vm), [], where);
    assert.equal(play.host.libvirt.domains().map(({ state }) => state), isPowerCut ? [] : ['running'], where);
    return first.seen;
  } finally {
    for (const life of lives) if (!life.signal.aborted) life.end();
    rmSync(statePath, { recursive: true, force: true, maxRetries: 5 });
  }
}

const cases: Record<string, { deed: Deed; instants: number }> = {
  'a snapshot is taken': { deed: (site) => begin(site, snapshotCreate, { vm, name: 'three' }), instants: 2 },
  'a layer below the top is merged, on both disks': { deed: (site) => begin(site, snapshotDelete, { vm, snapshot: 'one' }), instants: 4 },
  'the topmost layer is merged, on both disks': { deed: (site) => begin(site, snapshotDelete, { vm, snapshot: 'two' }), instants: 16 },
};

for (const [name, { deed, instants }] of Object.entries(cases)) {
  test(`${name}: the service dies at each call of libvirt, and the power goes`, async () => {
    assert.is((await playCut(deed, 0, false)).length, instants);
    for (let killAt = 1; killAt <= instants; killAt++) await playCut(deed, killAt, killAt % 5 !== 0);
  });
}

test.run();
