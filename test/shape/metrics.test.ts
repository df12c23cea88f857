/**
 * The names that Prometheus gets are an interface: dashboards and alarms are built on them. What is served is compared with the list that was agreed on
 * (`metrics.txt`: name, type, labels), and with the table of the documentation. A name that goes is a break; a new one is added to both:
 * `BOTHY_WRITE_METRICS=1 node build/test/run.js test/shape/metrics.test.ts`.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { rootPath } from '../../appliance/paths.ts';
import { systemClock } from '../../appliance/core/clock.ts';
import { openTestApp } from '../world/app.ts';
import { untilReady } from '../world/ready.ts';

const file = join(rootPath, 'test/shape/metrics.txt');

/** One line for each name: `bothy_vm_disk_reads_total counter vm disk id`. */
function listed(text: string): string[] {
  const types = new Map([...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name = '', type = '']) => [name, type]));
  const labels = new Map([...text.matchAll(/^([a-z_]+)(?:\{(.*)\})? \S+$/gm)].map(([, name = '', pairs = '']) => [name, [...pairs.matchAll(/(\w+)="/g)].map(([, label]) => label)]));
  return [...types].map(([name, type]) => [name, type, ...(labels.get(name) ?? ['(nothing)'])].join(' ')).sort();
}

async function served(): Promise<string[]> {
  const site = await openTestApp();
  await untilReady(site);
  assert.is((await site.send('POST', '/api/v1/vms', { name: 'web', disks: [{ sizeBytes: 2 ** 20 }], nics: [{ network: 'default' }] })).status, 201);
  await site.carryOut('POST', '/api/v1/vms/web/start');
  const headers = { authorization: `Bearer ${await site.tokenFor(['observer'])}` };
  const ask = async () => (await site.door.request('http://bothy/metrics', { headers })).text();
  let text = await ask();
  for (let round = 0; round < 100 && !text.includes('bothy_vm_cpu_seconds_total{'); round++) {
    await systemClock.sleep(200);
    text = await ask();
  }
  await site.close();
  return listed(text);
}

const names = await served();
if (process.env['BOTHY_WRITE_METRICS'] === '1') writeFileSync(file, `${names.join('\n')}\n`);

test('what Prometheus is served is what was agreed on', () => {
  assert.ok(names.length > 20, `${names.length} names`);
  assert.equal(names, readFileSync(file, 'utf8').trimEnd().split('\n'));
  assert.equal(names.filter((line) => !/^(?:bothy|process|nodejs)_[a-z_]+ (?:gauge|counter)( [a-z]+)*$/.test(line)), [], 'ours, or what every process has; each has a value');
  assert.equal(names.filter((line) => / counter/.test(line) && !/_total counter/.test(line)), [], 'counters end in _total');
});

test('the documentation has each name with its labels', () => {
  const table = readFileSync(join(rootPath, 'appliance/host/README.md'), 'utf8').matchAll(/^\| `([a-z_]+)(?:\{([\w, ]*)\})?` \| (\w+) \|/gm);
  assert.equal([...table].map(([, name = '', labels = '', type = '']) => [name, type, ...labels.split(', ').filter(Boolean)].join(' ')).sort(), names);
});

test.run();
