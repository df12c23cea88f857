/** When an appliance may restart by itself, and what it does about a newer version. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { isInWindow, minuteOfDay, nextMove, type Standing, windowPattern } from '../../appliance/update/policy-rules.ts';

test('a window is open from its first minute to before its last, also over midnight', () => {
  const open = (window: string) => [0, 119, 120, 239, 240, 1_380, 1_439].filter((minute) => isInWindow(window, minute));
  assert.equal(open('02:00-04:00'), [120, 239]);
  assert.equal(open('23:00-02:00'), [0, 119, 1_380, 1_439]);
  assert.equal(open('00:00-00:00').length, 7);
});

test('what is no window is not taken for one', () => {
  for (const text of ['2:00-4:00', '02:00', '24:00-04:00', '02:60-04:00', '02:00 - 04:00', '', '02:00-04:00\n']) assert.not.ok(windowPattern.test(text), text);
});

test('the time of the day is that of the place, over the change of the clocks, too', () => {
  assert.is(minuteOfDay(Date.UTC(2026, 10, 23, 16, 51), 'Asia/Shanghai'), 51);
  assert.is(minuteOfDay(Date.UTC(2026, 2, 29, 0, 30), 'Europe/Berlin'), 90);
  assert.is(minuteOfDay(Date.UTC(2026, 2, 29, 1, 30), 'Europe/Berlin'), 210);
});

const standing = (slots: Standing['facts']['slots'], more: Partial<Standing> = {}): Standing => ({
  version: '1.1', isStaged: true, isWindowOpen: true, isTried: false, ...more,
  facts: { running: '1.0', architecture: 'x86_64', slotBytes: 1e9, lack: '', slots: [{ version: '1.0', state: 'good', isRunning: true }, ...slots] },
});
const other = (state: 'written' | 'good' | 'bad') => [{ version: '1.1', state, isRunning: false }];

test('it is installed at once, and switched to when the window opens', () => {
  assert.equal(nextMove(standing([])), { do: 'install' });
  assert.equal(nextMove(standing([], { isWindowOpen: false })), { do: 'install' });
  assert.equal(nextMove(standing(other('written'))), { do: 'switch' });
  assert.match(JSON.stringify(nextMove(standing(other('written'), { isWindowOpen: false }))), /window opens/);
});

test('what has failed, or was left by people, is not tried again by itself', () => {
  assert.match(JSON.stringify(nextMove(standing(other('bad')))), /did not come up/);
  assert.match(JSON.stringify(nextMove(standing(other('good')))), /was left again/);
  assert.match(JSON.stringify(nextMove(standing([], { isTried: true }))), /could not be installed/);
  assert.equal(nextMove(standing(other('written'), { isStaged: false })), { do: 'install' }, 'what a cut has left half-way is made anew');
});

test.run();
