/**
 * A box without a stick: the built image boots by itself until its API answers, and waits for a person who has the set-up code.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { real } from '../real/count.ts';
import { type Box, openReadyBox } from './box.ts';

let box: Box;

test.before(async () => {
  box = await openReadyBox();
});

test('it answers by its own certificate, lets nobody in, and has a set-up code', async () => {
  assert.is((await box.api('GET', '/vms')).status, 401);
  assert.match(await box.inside('bothy setup-code'), /[A-Z0-9]{4}(-[A-Z0-9]{4})+/);
  real('lab');
});

test('with the code it is set up, and no site file is made up', async () => {
  await box.setUp();
  assert.equal((await box.must<{ items: unknown[] }>('GET', '/vms')).items, []);
  assert.is((await box.must<{ current: unknown }>('GET', '/site')).current, null);
  real('lab');
});

test.after(async () => {
  await box.close();
});

test.run();
