/** Reports from known totals, and their CSV. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { capacityReport, consumersReport, formatCsv, uptimeReport } from '../../appliance/activity/report-rules.ts';
import type { Point, Total } from '../../appliance/activity/sample-query.ts';

const vm = (name: string, cpu: number, seconds = 1_000): Total => ({ id: name, name, parent: null, seconds, average: { cpuFraction: cpu, writtenBytesPerSecond: 10, memoryUsedBytes: null }, peak: { cpuFraction: 1 } });

test('who used the most processor time comes first, amounts are over the whole time', () => {
  const { rows } = consumersReport([vm('idle', 0.01), vm('busy', 0.5), vm('short', 0.9, 10)]);
  assert.equal(rows.map(({ name, busy }) => [name, busy]), [['busy', 500], ['idle', 10], ['short', 9]]);
  assert.equal([rows[0]?.['written'], rows[0]?.['memory'], rows[0]?.['received']], [10_000, null, 0]);
});

test('uptime is the share of the time that is known of', () => {
  const { rows } = uptimeReport([vm('hut', 0, 900)], [vm('b', 0, 250), vm('a', 0, 2_000)], 1_000);
  assert.equal(rows.map(({ name, share }) => [name, share]), [['hut', 0.9], ['a', 1], ['b', 0.25]]);
});

test('what grows steadily is full on the day that the line meets the size; what shrinks or stands never is', () => {
  const day = 86_400_000;
  const points = (used: (at: number) => number) => Array.from({ length: 30 }, (_, at): Point => ({ at: at * day, usedBytes: used(at), totalBytes: 1_000 }));
  const { rows } = capacityReport([{ name: 'grows', points: points((at) => 100 + 10 * at) }, { name: 'stands', points: points(() => 500) }, { name: 'shrinks', points: points((at) => 500 - at) }, { name: 'new', points: [] }]);
  assert.equal(rows.map(({ name, growth, left }) => [name, growth === null ? null : Math.round(Number(growth) * 1000) / 1000, left]), [['grows', 10, 61], ['stands', 0, null], ['shrinks', -1, null], ['new', null, null]]);
});

test('CSV quotes what must be quoted, and no name becomes a formula', () => {
  const text = formatCsv({ columns: [{ key: 'at', label: 'Begins', unit: 'time' }, { key: 'name', label: 'Name', unit: 'text' }, { key: 'n', label: 'N', unit: 'bytes' }], rows: [
    { at: 0, name: '=HYPERLINK("http://evil")', n: 1.5 }, { at: 60_000, name: 'a,b\nc', n: null }, { at: 0, name: '-1+2', n: -3 },
  ] });
  assert.is(text, 'at,name,n\r\n1970-01-01T00:00:00.000Z,"\'=HYPERLINK(""http://evil"")",1.5\r\n1970-01-01T00:01:00.000Z,"a,b\nc",\r\n1970-01-01T00:00:00.000Z,\'-1+2,-3\r\n');
});

test.run();
