/** Switching to another version while the power goes, at any instant. */
import { test } from 'uvu';
import { checkKills } from './harness.ts';
import { switching } from './switching.ts';
import { foundry, openUpdateSite, type UpdateSite } from './update-site.ts';

/** Lives of each host: what opens it a second time finds it switched off and on. */
const lives = new WeakSet<object>();

test('update.switch ends the same when the power goes at any instant', () => checkKills<UpdateSite>({
  ...switching,
  open(life) {
    if (lives.has(life.host)) life.host.cutPower();
    lives.add(life.host);
    return openUpdateSite(life);
  },
}));

test('close', async () => foundry.close());

test.run();
