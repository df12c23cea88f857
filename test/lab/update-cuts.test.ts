/**
 * The plug is pulled while an update is installed and switched to, at random moments of the time that this takes undisturbed: receiving and
 * verifying the bundle, writing root and kernel, telling the boot loader. Cut upon cut on one box, for what one has left behind must not
 * hurt under the next; what a cut interrupted goes on by itself at the next start and is cut again. After each one the box
 * answers, in a version that it had, with all that it acknowledged; in the end an undisturbed installation ends well.
 *
 * BOTHY_LAB_CUTS cuts, one unless told; BOTHY_LAB_CUT_SECONDS=80,3.5 cuts at these moments, as a failure tells them.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Task } from '../api-client.ts';
import { real } from '../real/count.ts';
import { openUpdateBox, type Update, type UpdateBox } from './update-box.ts';

const cuts = Number(process.env['BOTHY_LAB_CUTS'] ?? 1);
const given = process.env['BOTHY_LAB_CUT_SECONDS']?.split(',').map(Number) ?? [];
const bundles = { first: { version: '0.1.1' }, second: { version: '0.1.5' }, third: { version: '0.1.6' } };
const versions = new Map<string, string>(Object.entries(bundles).map(([name, { version }]) => [name, version]));

let subject: UpdateBox;
/** Of an installation and the beginning of its switch, until the plug would cut a restart in any case; grows with what is measured. */
let spanSeconds = 200;

test.before(async () => {
  subject = await openUpdateBox({ bundles });
});

/** Newer than what runs, and not what the other slot holds already, if there is such a one: so that there is something to write. */
function chooseBundle({ running, slots }: Update): { name: string; isLast: boolean } {
  const newer = [...versions].filter(([, version]) => version > running);
  const isThere = (version: string) => slots.some((slot) => slot.version === version);
  const [name] = newer.find(([, version]) => !isThere(version)) ?? newer[0] ?? [];
  if (!name) throw new Error('no newer version is left');
  return { name, isLast: newer.length <= 2 };
}

const activeTasks = async () => (await subject.box.must<{ items: Task[] }>('GET', '/tasks?state=active')).items;

/** Goes on until the plug is pulled; gives how far it came. The last two take turns in the other slot, so that there is always something to write. */
async function installAndSwitch({ name, isLast }: { name: string; isLast: boolean }): Promise<string> {
  const startedAt = Date.now();
  const said = await subject.install(name).catch(() => 'cut');
  if (said !== 'Done') return said === 'cut' ? 'installing' : said;
  spanSeconds = Math.max(spanSeconds, (Date.now() - startedAt) / 1000 + 25);
  if (isLast) return 'installed';
  return subject.box.must('POST', '/update/switch', { shutdownSeconds: 30 }).then(() => 'switching', () => 'about to switch');
}

for (let cut = 1; cut <= cuts; cut++) {
  test(`cut ${cut} of ${cuts}`, async () => {
    assert.is(await subject.write(), 'written');
    const before = await subject.update();
    const [left] = await activeTasks();
    const bundle = chooseBundle(before);
    const seconds = given[cut - 1] ?? Math.random() * spanSeconds;
    const startedAt = Date.now();
    const work = left ? Promise.resolve(`going on with ${left.kind}`) : installAndSwitch(bundle);
    await subject.box.runFor(seconds);
    await subject.box.pullPlug();
    const where = await work;
    await subject.box.switchOn();
    await subject.box.answers();
    const after = await subject.update();
    console.log(`cut ${cut} after ${seconds.toFixed(1)} s, ${where}: ${before.running} -> ${after.running}, answers after ${Math.round((Date.now() - startedAt) / 1000)} s; ${after.slots.map(({ version, state }) => `${version} ${state}`).join(', ')}`);
    await subject.expectWrites();
    if ((await activeTasks()).some(({ kind }) => kind === 'update.switch')) await expectSwitched(bundle.name);
    else assert.is(after.running, before.running);
    real('lab');
  });
}

/** A switch that a cut interrupted goes on by itself, whichever version runs now. */
async function expectSwitched(name: string): Promise<void> {
  const { result, reasons } = await subject.decided(versions.get(name) ?? '');
  assert.equal([result, reasons], ['committed', []]);
  await subject.expectWrites();
}

test('then an undisturbed installation ends well', async () => {
  await subject.box.settle();
  const { name } = chooseBundle(await subject.update());
  assert.is(await subject.write(), 'written');
  assert.is(await subject.install(name), 'Done');
  assert.is((await subject.update()).next, versions.get(name));
  await subject.expectWrites();
  real('lab');
});

test.after(async () => {
  await subject?.box.close();
});

test.run();
