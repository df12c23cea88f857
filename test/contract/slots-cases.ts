/**
 * What slots do, simulated or real: one story on one machine, each case going on from the one before. Run by slots.test.ts beside this file, and on the
 * real ones of a booted box by test/lab/slots.test.ts.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Slots } from '../../appliance/world.ts';
import { parseEntry, sortEntries } from '../../appliance/update/boot-menu.ts';

export interface SlotsSubject {
  slots: Slots;
  /** Puts root and kernel of a version where they are taken from. */
  stage(version: string, content: string): Promise<void>;
  /** How the slot of a version begins. */
  content(version: string): Promise<string>;
  /** Files of the boot menu. */
  menu(): Promise<string[]>;
  /** A write that ends half-way, as by a kill. */
  breakWrite(version: string): Promise<void>;
}

export interface SlotsStory {
  name: string;
  open(): Promise<SlotsSubject>;
  close?(): Promise<void>;
  /** Called at the end of each case. */
  passed?(): void;
}

const signal = AbortSignal.timeout(3_600_000);
const [one, two] = ['9.0.1', '9.0.2'];

async function rejects(work: Promise<unknown>): Promise<void> {
  assert.is(await work.then(() => 'done', () => 'rejected'), 'rejected');
}

export function defineSlotsCases({ name, open, close, passed }: SlotsStory): void {
  const test = suite(`slots, ${name}`);
  let subject: SlotsSubject;
  let running = '';
  test.before(async () => { subject = await open(); });

  const states = async () => Object.fromEntries((await subject.slots.facts()).slots.map(({ version, state }) => [version, state]));
  const menu = async () => sortEntries((await subject.menu()).flatMap((file) => parseEntry(file) ?? [])).map(({ version, triesLeft }) => (triesLeft === undefined ? version : `${version} +${triesLeft}`));
  const part = (title: string, work: (subject: SlotsSubject) => Promise<void>) => test(title, async () => {
    await work(subject);
    passed?.();
  });

  part('a new machine has the version that runs, and an empty slot', async ({ slots }) => {
    const facts = await slots.facts();
    running = facts.running;
    assert.equal([facts.lack, facts.slots], ['', [{ version: running, state: 'good', isRunning: true }]]);
    assert.ok(facts.slotBytes > 1e9);
    assert.equal(await menu(), [running]);
  });

  part('what is not staged cannot be written, and nothing changes', async ({ slots }) => {
    await rejects(slots.write(one, signal));
    assert.equal(await states(), { [running]: 'good' });
  });

  part('a write that is cut off leaves a slot without a name, and can be done again', async ({ slots, stage, breakWrite, content }) => {
    await breakWrite(one);
    assert.equal(await states(), { [running]: 'good' });
    await stage(one, 'first');
    await slots.write(one, signal);
    assert.equal(await states(), { [running]: 'good', [one]: 'written' });
    assert.match(await content(one), /^first/);
    assert.equal(await menu(), [running], 'nothing new starts');
  });

  part('a version that is there already is not written again', async ({ slots, stage, content }) => {
    await stage(one, 'again');
    await slots.write(one, signal);
    assert.match(await content(one), /^first/);
  });

  part('armed, it is the first to start and has three tries; twice is as good as once', async ({ slots }) => {
    for (const time of ['once', 'twice']) {
      await slots.arm(one, signal);
      assert.equal([await menu(), await states()], [[`${one} +3`, running], { [running]: 'good', [one]: 'trying' }], time);
    }
    assert.is((await slots.facts()).running, running);
  });

  part('disarmed, it is bad, and what runs is the first', async ({ slots }) => {
    await slots.disarm(one, signal);
    assert.equal([await menu(), await states()], [[running, `${one} +0`], { [running]: 'good', [one]: 'bad' }]);
  });

  part('another version takes its slot, and its place in the boot menu', async ({ slots, stage, content }) => {
    await stage(two, 'second');
    await slots.write(two, signal);
    assert.equal(await states(), { [running]: 'good', [two]: 'written' });
    assert.match(await content(two), /^second/);
    await slots.arm(two, signal);
    assert.equal([await menu(), await states()], [[`${two} +3`, running], { [running]: 'good', [two]: 'trying' }]);
  });

  part('what runs can be given up: the other one is first, and what runs has no tries', async ({ slots }) => {
    await slots.giveUp(signal);
    assert.equal([await menu(), await states()], [[`${two} +3`, `${running} +0`], { [running]: 'bad', [two]: 'trying' }]);
    await slots.disarm(two, signal);
    assert.equal([await menu(), await states()], [[running, `${two} +0`], { [running]: 'good', [two]: 'bad' }]);
  });

  test.after(async () => { await close?.(); });
  test.run();
}
