/** Samples of use on a real file: what is kept, for how long, how large it becomes, and what kills, damage and wrong clocks do to it. */
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Reading } from '../../appliance/activity/recorder.ts';
import { day, hour, type Retention } from '../../appliance/activity/sample-rules.ts';
import { createSamples, type Samples } from '../../appliance/activity/samples.ts';
import { silentLog } from '../../appliance/core/log.ts';
import { createVirtualClock } from '../world/clock.ts';

interface Context {
  statePath: string;
  now: number;
  kept: Retention;
  lost: number;
  samples: Samples;
  /** The service again, on the same files; without `close` as after a kill. */
  open(): Samples;
}

const begins = Date.UTC(2025, 0, 1);
const hours = (count: number) => count * hour * 1000;
const test = suite<Context>('samples');

test.before.each((context) => {
  context.statePath = mkdtempSync(join(tmpdir(), 'bothy-samples-'));
  context.now = begins;
  context.kept = { slots: 2 * hour, minutes: 2 * day, hours: 60 * day, days: 5 * 366 * day };
  context.lost = 0;
  const clock = { ...createVirtualClock(), now: () => context.now };
  context.open = () => createSamples({ clock, log: silentLog, statePath: context.statePath, kept: () => context.kept, onLost: () => { context.lost += 1; } });
  context.samples = context.open();
});
test.after.each(({ samples, statePath }) => {
  samples.close();
  rmSync(statePath, { recursive: true, force: true });
});

const nic = (bytes: number): Reading<'nic'> => ({ kind: 'nic', id: 'n1', name: 'NIC 1', parent: 'v1', values: { receivedBytesPerSecond: bytes, sentBytesPerSecond: 0 } });
const host = (cpuFraction: number): Reading<'host'> => ({ kind: 'host', id: 'h1', name: 'hut', values: { cpuFraction, memoryUsedBytes: 2 ** 31, receivedBytesPerSecond: 0, sentBytesPerSecond: 0 } });

/** Reads every `stepMs` until `untilMs`; what is due is written as the reconciler does. */
function live(context: Context, untilMs: number, readings: (at: number) => Reading[], stepMs = 10_000): void {
  for (; context.now < untilMs; context.now += stepMs) {
    context.samples.record(readings(context.now));
    if (context.now % 60_000 < stepMs) context.samples.write();
  }
}

/** Less than a minute of samples in each hour: what fills hours and days, without the work of all the rest. */
function skim(context: Context, untilMs: number, readings: (at: number) => Reading[]): void {
  for (let hourNumber = 0; context.now < untilMs; hourNumber++) {
    for (let each = 0; each < 4; each++, context.now += 10_000) context.samples.record(readings(context.now));
    context.now += 90_000;
    if (hourNumber % 6 === 5) context.samples.write();
    context.now += hours(1) - 130_000;
  }
  context.samples.write();
}

const ask = ({ samples }: Context, kind: 'host' | 'nic', from: number, to: number, points = 4_000) => samples.read({ kind, id: kind === 'host' ? 'h1' : 'n1', from, to, points });
const known = (items: { [name: string]: number | null }[], name: string) => items.map((item) => item[name]).filter((value) => value !== null);

test('a counter becomes a rate for each ten seconds, and every coarser step has its average and its peak', (context) => {
  // 1000 bytes a second, and 61,000 in the first ten seconds of each tenth minute.
  let bytes = 0;
  live(context, begins + hours(27), (at) => {
    bytes += at % 600_000 === 0 ? 610_000 : 10_000;
    return [nic(bytes)];
  });
  const slots = ask(context, 'nic', context.now - hours(1), context.now - 60_000);
  assert.is(slots.stepSeconds, 10);
  assert.equal(new Set(known(slots.items, 'receivedBytesPerSecond')), new Set([1_000, 61_000]));
  const minutes = ask(context, 'nic', begins + hours(2), begins + hours(3));
  assert.is(minutes.stepSeconds, 60);
  assert.equal(new Set(known(minutes.items, 'receivedBytesPerSecond')), new Set([1_000, 11_000]));
  assert.equal(new Set(known(minutes.items, 'receivedBytesPerSecondPeak')), new Set([1_000, 61_000]));
  const all = ask(context, 'nic', begins - hours(24 * 10), context.now, 10_000);
  assert.is(all.stepSeconds, 3_600);
  assert.equal(new Set(known(all.items, 'receivedBytesPerSecond').slice(1)), new Set([2_000]));
  const years = ask(context, 'nic', begins - hours(24 * 100), context.now);
  assert.is(years.stepSeconds, 86_400);
  assert.equal(known(years.items, 'receivedBytesPerSecondPeak'), [61_000, 61_000], 'the day that is over, and the one that runs');
});

test('readings that come more often, or a little late, leave no hole and change no sum', (context) => {
  let bytes = 0;
  let last = begins;
  const read = (stepMs: number) => live(context, context.now + hours(0.5), (at) => {
    bytes += at - last;
    last = at;
    return [nic(bytes), host(0.25)];
  }, stepMs);
  read(2_000);
  read(10_700);
  const { items } = ask(context, 'nic', begins + 60_000, context.now - 60_000);
  assert.equal([...new Set(known(items, 'receivedBytesPerSecond').map((value) => Math.round(value ?? 0)))], [1_000]);
  assert.is(known(items, 'receivedBytesPerSecond').length, items.length, 'no hole');
  assert.equal([...new Set(known(ask(context, 'host', begins + 60_000, context.now - 60_000).items, 'cpuFraction'))], [0.25]);
});

test('a counter that begins anew and a silence are gaps, not peaks', (context) => {
  live(context, begins + 300_000, (at) => [nic(1e12 + at)]);
  live(context, begins + 600_000, (at) => [nic(at)]);
  context.now += 600_000;
  live(context, begins + 1_500_000, (at) => [nic(at)]);
  const { items } = ask(context, 'nic', begins, context.now);
  assert.ok(Math.max(...known(items, 'receivedBytesPerSecond').map(Number)) < 1_001);
  assert.ok(items.filter((item) => item['receivedBytesPerSecond'] === null).length >= 60, 'ten minutes nobody knows of');
});

test('a kill loses less than two minutes and a half; a service that ends in order loses nothing', (context) => {
  live(context, begins + 600_000, (at) => [nic(at)]);
  const killed = context.open();
  const found = known(killed.read({ kind: 'nic', id: 'n1', from: begins, to: context.now, points: 1_000 }).items, 'receivedBytesPerSecond').length;
  killed.close();
  assert.ok(found >= 60 - 14 && found < 60, `${found} of 60`);
  context.samples.close();
  context.samples = context.open();
  assert.is(known(ask(context, 'nic', begins, context.now).items, 'receivedBytesPerSecond').length, 59);
  // The new one adds its part to the minute that the old one has begun.
  live(context, context.now + 200_000, (at) => [nic(at)]);
  assert.ok(known(ask(context, 'nic', begins, context.now).items, 'receivedBytesPerSecond').length >= 59 + 19);
});

test('what an hour adds up to can be made again at any time from its frames', (context) => {
  live(context, begins + hours(2.1), (at) => [nic(at)]);
  const before = ask(context, 'nic', begins - hours(24 * 10), context.now);
  context.samples.close();
  const file = new Sqlite(join(context.statePath, 'history.db'));
  file.exec("delete from hour; delete from minutes; delete from mark where name in ('hours', 'days')");
  file.close();
  context.samples = context.open();
  context.samples.write();
  assert.equal(ask(context, 'nic', begins - hours(24 * 10), context.now), before);
});

test('a damaged file is put aside, told, and the history begins anew; nothing throws', (context) => {
  live(context, begins + 600_000, (at) => [nic(at)]);
  context.samples.close();
  writeFileSync(join(context.statePath, 'history.db'), 'this is no database, but it is long enough to be taken for one'.repeat(100));
  context.samples = context.open();
  live(context, context.now + 600_000, (at) => [nic(at)]);
  assert.is(context.lost, 1);
  assert.ok(known(ask(context, 'nic', begins, context.now).items, 'receivedBytesPerSecond').length > 50);
  assert.ok(readdirSync(context.statePath).includes('history.db.damaged'));
});

test('a clock that leaps to another century and back costs hours, not the past', (context) => {
  skim(context, begins + hours(60), (at) => [nic(at / 10)]);
  const right = context.now;
  context.now = Date.UTC(2099, 5, 1);
  live(context, context.now + hours(1), (at) => [nic(at / 10)]);
  context.now = right + hours(1);
  skim(context, context.now + hours(30), (at) => [nic(at / 10)]);
  const { items } = ask(context, 'nic', begins - hours(24 * 10), context.now, 10_000);
  assert.ok(known(items, 'receivedBytesPerSecond').length >= 60 + 29 - 30, `${known(items, 'receivedBytesPerSecond').length} hours`);
  const file = new Sqlite(join(context.statePath, 'history.db'), { readonly: true });
  assert.is(file.prepare('select count(*) from hour where at > ?').pluck().get(context.now / 1000 + 3 * day), 0, 'what was noted in 2099 is gone');
  file.close();
});

test('when people want less to be kept, it goes', (context) => {
  skim(context, begins + hours(24 * 30), (at) => [nic(at / 60)]);
  context.kept = { ...context.kept, hours: 7 * day };
  skim(context, context.now + hours(6), (at) => [nic(at / 60)]);
  const file = new Sqlite(join(context.statePath, 'history.db'), { readonly: true });
  const hoursLeft = file.prepare('select count(*) from hour').pluck().get() as number;
  file.close();
  assert.ok(hoursLeft <= 8 * 24 && hoursLeft >= 7 * 24 - 1, `${hoursLeft} hours`);
});

test('any SQL tool reads hours and days by name', (context) => {
  live(context, begins + hours(3), () => [host(0.5)]);
  const file = new Sqlite(join(context.statePath, 'history.db'), { readonly: true });
  assert.equal(file.prepare('select name, begins, cpuFraction, cpuFractionPeak from host_hour order by begins limit 1').get(), { name: 'hut', begins: '2025-01-01 00:00:00', cpuFraction: 0.5, cpuFractionPeak: 0.5 });
  file.close();
});

/** Three VMs with a disk and a NIC each, the host and a domain. */
function site(at: number): Reading[] {
  const vms = Array.from({ length: 3 }, (_, number): Reading[] => {
    const wave = Math.abs(Math.sin(at / 7e6 + number)) * 1e6 * number;
    const bytes = at * 50 + wave;
    return [
      { kind: 'vm', id: `v${number}`, name: `vm-${number}`, values: { cpuFraction: at / 5_000, memoryUsedBytes: 1e9 + wave, readBytesPerSecond: bytes, writtenBytesPerSecond: bytes, receivedBytesPerSecond: bytes, sentBytesPerSecond: bytes } } as Reading,
      { kind: 'disk', id: `d${number}`, name: `disk-${number}`, parent: `v${number}`, values: { readBytesPerSecond: bytes, writtenBytesPerSecond: bytes, readsPerSecond: at / 10, writesPerSecond: at / 10 } } as Reading,
      { kind: 'nic', id: `n${number}`, name: 'NIC 1', parent: `v${number}`, values: { receivedBytesPerSecond: bytes, sentBytesPerSecond: bytes } } as Reading,
    ];
  });
  return [...vms.flat(), host(0.3), { kind: 'storage-domain', id: 's1', name: 'local', values: { usedBytes: at / 1000, totalBytes: 1e13 } } as Reading];
}

test('a year of 11 series: bounded in size, each zoom answered at once', (context) => {
  // Most of the year at the pace of three samples an hour, its last day at the real pace.
  skim(context, begins + hours(24 * 363 + 22), site);
  live(context, begins + hours(24 * 365), site);
  const file = new Sqlite(join(context.statePath, 'history.db'), { readonly: true });
  const rows = (table: string) => file.prepare(`select count(*) from ${table}`).pluck().get() as number;
  const counts = Object.fromEntries(['frame', 'minutes', 'hour', 'day', 'series'].map((table) => [table, rows(table)]));
  file.close();
  assert.is(counts['series'], 11);
  assert.ok((counts['frame'] ?? 0) <= 120 + 12, `${counts['frame']} frames`);
  assert.ok((counts['minutes'] ?? 0) <= 11 * (48 + 25), `${counts['minutes']} rows of minutes`);
  assert.ok((counts['hour'] ?? 0) <= 11 * (60 + 1) * 24, `${counts['hour']} hours`);
  assert.ok((counts['hour'] ?? 0) >= 11 * 59 * 24, `${counts['hour']} hours`);
  assert.ok((counts['day'] ?? 0) >= 11 * 363, `${counts['day']} days`);
  const bytes = statSync(join(context.statePath, 'history.db')).size;
  assert.ok(bytes < 6 * 2 ** 20, `${bytes} bytes`);
  for (const [span, step] of [[hours(2), 20], [hours(24), 240], [hours(24 * 59), 14_400], [hours(24 * 365), 86_400 * 2]] as const) {
    const startedAt = performance.now();
    const { items, stepSeconds } = context.samples.read({ kind: 'vm', id: 'v2', from: context.now - span, to: context.now, points: 360 });
    const took = performance.now() - startedAt;
    assert.is(stepSeconds, step);
    assert.ok(items.length <= 361 && known(items, 'cpuFraction').length >= items.length - 4, `${known(items, 'cpuFraction').length} of ${items.length} steps of ${step} s`);
    assert.ok(took < 250, `${Math.round(took)} ms for ${span / hours(1)} hours`);
  }
  const startedAt = performance.now();
  const totals = context.samples.totals('vm', context.now - hours(24 * 364), context.now);
  assert.ok(performance.now() - startedAt < 500, 'totals of a year');
  assert.is(totals.length, 3);
  assert.ok(Math.abs((totals[2]?.average['cpuFraction'] ?? 0) - 0.2) < 0.001, `${totals[2]?.average['cpuFraction']}`);
});

test.run();
