/**
 * The tasks of storage that drive qemu-img as scenarios, to be played with a kill at each instant: before and after each step, and before and
 * after its marker. Whatever the instant, the end is as if there had been none, and nothing is left lying about.
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { systemClock } from '../../appliance/core/clock.ts';
import type { TaskProbe } from '../../appliance/core/task.ts';
import { MiB } from '../../appliance/core/units.ts';
import { openStorageSite, type StorageSite, type StorageSiteOptions } from '../world/storage.ts';

export interface Scenario {
  name: string;
  /** Before the task. */
  prepare?(site: StorageSite): Promise<void>;
  /** Starts the task. */
  act(site: StorageSite): Promise<unknown>;
  /** What must be true once all has ended, whenever the service was killed. */
  check(site: StorageSite): Promise<void>;
}

const content = Buffer.alloc(300_000, 'content ');
const older = Buffer.alloc(200_000, 'older ');
const upTo = (bytes: Buffer, sizeBytes: number) => Buffer.concat([bytes, Buffer.alloc(sizeBytes - bytes.length)]);
const diskOf = async (site: StorageSite) => (await site.ask('GET', '/disks/root')).body;

async function makeDisk(site: StorageSite, changes: Record<string, unknown> = {}): Promise<void> {
  await site.carryOut('POST', '/disks', { name: 'root', sizeBytes: 2 * MiB, ...changes });
}

async function upload(site: StorageSite, bytes: Buffer): Promise<void> {
  const answer = await site.put('/disks/root/content', bytes, { 'x-image-format': 'raw' });
  assert.is(answer.status, 202, JSON.stringify(answer.body));
}

async function contentIs(site: StorageSite, bytes: Buffer): Promise<void> {
  const response = await site.door.fetch('/api/v1/disks/root/content?format=raw');
  assert.is(response.status, 200);
  assert.ok(Buffer.from(await response.arrayBuffer()).equals(bytes), 'the content is not what it should be');
}

const fill = async (site: StorageSite) => {
  await makeDisk(site);
  await upload(site, upTo(older, MiB));
  await site.settled();
};

export const scenarios: Scenario[] = [
  {
    name: 'create a preallocated disk',
    act: (site) => site.ask('POST', '/disks', { body: { name: 'root', sizeBytes: 2 * MiB, format: 'raw', allocation: 'preallocated' } }),
    check: async (site) => assert.is((await diskOf(site)).state, 'ok'),
  },
  {
    name: 'resize', prepare: fill,
    act: (site) => site.ask('POST', '/disks/root/resize', { body: { sizeBytes: 4 * MiB } }),
    async check(site) {
      assert.equal([(await diskOf(site)).state, (await diskOf(site)).sizeBytes], ['ok', 4 * MiB]);
      await contentIs(site, upTo(older, 4 * MiB));
    },
  },
  {
    name: 'import with conversion', prepare: fill,
    act: (site) => upload(site, upTo(content, MiB)),
    async check(site) {
      assert.is((await diskOf(site)).state, 'ok');
      await contentIs(site, upTo(content, 2 * MiB));
    },
  },
  {
    name: 'import as it is', prepare: (site) => makeDisk(site, { format: 'raw' }),
    act: (site) => upload(site, upTo(content, MiB)),
    check: (site) => contentIs(site, upTo(content, 2 * MiB)),
  },
];

/** A probe that stands still for ever at its n-th instant: the kill. */
function killAt(n: number): { probe: TaskProbe; killed: Promise<boolean> } {
  let seen = 0;
  let tell: (isKilled: boolean) => void = () => {};
  const killed = new Promise<boolean>((resolve) => { tell = resolve; });
  const at = () => {
    seen += 1;
    if (seen !== n) return Promise.resolve();
    tell(true);
    return new Promise<void>(() => {});
  };
  return { killed, probe: { at } };
}

/** Nothing is left lying about: no upload, no room held, no volume beside the current one, no file beside the known ones. */
async function requireTidy(site: StorageSite): Promise<void> {
  assert.is((await site.ask('GET', '/disks/root/upload')).status, 404);
  for (const { id, name, kind, reservedBytes } of (await site.ask('GET', '/storage-domains')).body.items) {
    assert.is(reservedBytes, 0, `room is still held in ${name}`);
    const images = join(site.core.statePath, 'storage', id, 'images');
    if (kind === 'iso') assert.equal(readdirSync(join(images, '11111111-1111-1111-1111-111111111111')), []);
    else await requireTidyImages(site, images);
  }
}

async function requireTidyImages(site: StorageSite, images: string): Promise<void> {
  const disks: { id: string; state: string }[] = (await site.ask('GET', '/disks')).body.items;
  assert.equal(readdirSync(images).sort(), disks.map(({ id }) => id).sort());
  for (const { id, state } of disks) {
    assert.is(state, 'ok');
    const volumeId = site.storage.diskVolume(id).path.split('/').at(-1) ?? '';
    // The old content goes soon after the task has ended.
    for (let tries = 0; tries < 100 && readdirSync(join(images, id)).length > 3; tries++) await systemClock.sleep(20);
    assert.equal(readdirSync(join(images, id)).sort(), [volumeId, `${volumeId}.lease`, `${volumeId}.meta`]);
  }
}

/** Runs the scenario with a kill at the n-th instant of its tasks; false when there are fewer. */
async function playKilled(scenario: Scenario, n: number, options: StorageSiteOptions): Promise<boolean> {
  let site = await openStorageSite(options);
  await scenario.prepare?.(site);
  await site.settled();
  const { killed, probe } = killAt(n);
  site = await site.restart({ probe });
  await scenario.act(site);
  const wasKilled = await Promise.race([killed, site.settled().then(() => false)]);
  const next = await site.restart();
  await next.settled();
  const failed = next.core.tasks.list({ limit: 100 }).filter(({ state }) => state !== 'done');
  assert.equal(failed.map(({ kind, state, problem }) => ({ kind, state, problem })), [], `killed at instant ${n}`);
  await scenario.check(next);
  // The check's own download may have made a copy, which is kept for a while.
  if (!next.core.tasks.list({ limit: 100 }).some(({ kind }) => kind === 'disk.export')) await requireTidy(next);
  await next.close();
  return wasKilled;
}

/** Plays a scenario with a kill at each of its instants in turn. */
export async function playKilledEverywhere(scenario: Scenario, options: StorageSiteOptions = {}): Promise<void> {
  let instants = 1;
  while (await playKilled(scenario, instants, options)) instants += 1;
  assert.ok(instants > 3, `only ${instants - 1} instants`);
}
