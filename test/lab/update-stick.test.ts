/**
 * A bundle on a stick, as one gets it by post: offered with its version as soon as it is plugged in, what cannot be installed with the reason;
 * a stick that is pulled out while it is read costs nothing but time; the same stick in again, it is installed.
 */
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Task } from '../api-client.ts';
import { real } from '../real/count.ts';
import { makeStick, type Stick } from './stick.ts';
import { openUpdateBox, type Update, type UpdateBox } from './update-box.ts';

const good = { version: '0.1.1' };
const foreign = { version: '0.1.4', isStub: true, claims: { architecture: 'aarch64' } };

let subject: UpdateBox;
let stick: Stick;
let plugged: string;

type OnStick = Update & { onSticks: { file: string; version: string; fault: string | null }[] };

const offered = async () => (await subject.box.must<OnStick>('GET', '/update')).onSticks;
const plugIn = async () => {
  plugged = await subject.box.machine.plugStick(stick.path);
  await subject.box.until('both bundles are seen', async () => (await offered()).length === 2);
};

/** What became of the installation; `meanwhile` is called once it copies. */
async function install(meanwhile?: () => Promise<void>): Promise<Task> {
  const { id } = await subject.box.must<{ id: string }>('POST', '/update/install-from-stick', { version: good.version });
  const task = () => subject.box.must<Task>('GET', `/tasks/${id}`);
  if (meanwhile) {
    await subject.box.until('a part of it is copied', async () => (await task()).progress > 0);
    await meanwhile();
  }
  return subject.box.until('the installation has ended', async () => {
    const seen = await task();
    return ['done', 'failed', 'cancelled'].includes(seen.state) && seen;
  }, 1_800_000);
}

test.before(async () => {
  subject = await openUpdateBox({ bundles: { good, foreign } });
  stick = await makeStick({ path: join(subject.box.folder, 'update.img'), label: 'UPDATES', sizeMiB: 512, isPartitioned: true });
  for (const [name, path] of subject.bundles) await stick.copy(path, `${name}.bundle`);
});

test('plugged in: each bundle is offered with its version, one for other machines with the reason; none is installed by itself', async () => {
  await plugIn();
  const byVersion = new Map((await offered()).map(({ version, fault }) => [version, fault]));
  assert.is(byVersion.get(good.version), null);
  assert.match(byVersion.get(foreign.version) ?? '', /aarch64 machines/);
  assert.is((await subject.update()).task, null);
  real('lab');
});

test('pulled out while it is copied: it says so, and nothing is half installed', async () => {
  const { state, problem } = await install(() => subject.box.machine.pullStick(plugged));
  assert.is(state, 'failed');
  assert.match(problem?.detail ?? '', /stick/);
  await subject.box.until('nothing is offered any more', async () => (await offered()).length === 0);
  assert.equal((await subject.update()).slots.map(({ version, state: is }) => [version, is]), [[subject.image.version, 'running']]);
  assert.equal(await subject.box.inside('ls /var/lib/bothy/update/staged 2>/dev/null || true'), '');
  real('lab');
});

test('in again: it is installed in the other slot', async () => {
  await plugIn();
  const { state, problem } = await install();
  assert.equal([state, problem?.detail], ['done', undefined]);
  assert.is((await subject.update()).next, good.version);
  assert.is(await subject.stateOf(good.version), 'installed');
  real('lab');
});

test.after(async () => {
  await subject?.box.close();
});

test.run();
