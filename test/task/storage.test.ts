/** Every task of storage, killed at every instant and started again, on the simulated image tool; and those that fail. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { MiB } from '../../appliance/core/units.ts';
import { openStorageSite } from '../world/storage.ts';
import { content, diskOf, fill, killAt, playKilledEverywhere, requireTidy, scenarios, upload, upTo } from './storage-scenarios.ts';

const test = suite('storage tasks killed at every instant');
for (const scenario of scenarios) test(scenario.name, () => playKilledEverywhere(scenario));
test.run();

const failing = suite('storage tasks that fail, killed at every instant');

failing('a conversion that fails leaves the old content, whenever the service is killed on the way back', async () => {
  for (let n = 1; ; n += 1) {
    let site = await openStorageSite();
    await fill(site);
    const { killed, probe } = killAt(n);
    site = await site.restart({ probe });
    site.tool.convert = async () => { throw new Error('broken'); };
    await upload(site, upTo(content, MiB));
    const wasKilled = await Promise.race([killed, site.settled().then(() => false)]);
    const next = await site.restart();
    await next.settled();
    assert.is(next.core.tasks.list({ limit: 100 }).find(({ state }) => state !== 'done')?.kind, 'disk.import', `killed at instant ${n}`);
    assert.is((await diskOf(next)).state, 'ok');
    await requireTidy(next);
    const raw = next.storage.diskVolume((await diskOf(next)).id);
    const { virtualSizeBytes } = await next.tool.info(raw.path, 'qcow2', new AbortController().signal);
    assert.is(virtualSizeBytes, 2 * MiB);
    await next.close();
    if (!wasKilled) return;
  }
});

failing('a creation that is cancelled leaves nothing', async () => {
  const site = await openStorageSite();
  site.tool.create = (_path, { signal }) => new Promise((_resolve, reject) => {
    signal.throwIfAborted();
    signal.addEventListener('abort', () => reject(signal.reason));
  });
  const answer = await site.ask('POST', '/disks', { body: { name: 'root', sizeBytes: MiB } });
  while (site.core.tasks.get(answer.body.id)?.marker !== 1) await site.core.clock.sleep(5);
  site.core.database.write({ actor: 'test', operation: 'test' }, (tx) => site.core.tasks.cancel(tx, answer.body.id));
  assert.is((await site.ended(answer)).state, 'cancelled');
  assert.is((await site.ask('GET', '/disks/root')).status, 404);
  await requireTidy(site);
  await site.close();
});

failing.run();
