/**
 * What the history of the configuration costs: the room that an entry of a VM takes, as the database file grows, and how long a page of fifty takes
 * after so many entries, of changes and of things that were made.
 *
 * usage: node build/test/bench/config-history.js [entries, 20000]
 */
import { sql } from 'drizzle-orm';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { listConfigChanges } from '../../appliance/activity/config-history.ts';
import { lastForgotten } from '../../appliance/activity/config-prune.ts';
import { historyDefaults } from '../../appliance/activity/schema.ts';
import { openTestApp } from '../world/app.ts';
import { print } from './figures.ts';

const [entries = 20_000] = process.argv.slice(2).map(Number);
const site = await openTestApp();
const { body: vm } = await site.send<{ id: string }>('POST', '/api/v1/vms', { name: 'web', disks: [{ sizeBytes: 2 ** 30 }], nics: [{ network: 'default' }] });
const { database, journal } = site.app.core;
const whole = journal.history({ limit: 10 }).flatMap(({ changes }) => changes).find(({ id }) => id === vm.id);
if (!whole) throw new Error('the journal does not know the VM');

const file = join(site.app.core.statePath, 'bothy.db');
const size = () => { database.sql.run(sql`pragma wal_checkpoint(truncate)`); return statSync(file).size; };
const before = size();
const things = Math.ceil(entries / 10);
for (let made = 0; made < entries; made++) {
  const number = made % things;
  const what = made < things ? 'created' : 'updated';
  database.write({ actor: `user${number % 9}@internal`, operation: `vm.${what}` }, (tx) => journal.site(tx, { ...whole, id: `${whole.id.slice(0, 28)}${String(number).padStart(8, '0')}`, what, after: { ...(whole.after as object), name: `web-${number}`, vcpus: 1 + Math.floor(made / things) } }));
}
process.stdout.write(`${JSON.stringify(whole.after).length} characters of a VM; ${Math.round((size() - before) / entries)} bytes an entry in the file, ${((size() - before) / 2 ** 20).toFixed(1)} MiB for ${entries}\n`);

const pages: [string, Partial<Parameters<typeof listConfigChanges>[1]>][] = [['the newest', {}], ['the oldest', { after: String(things + 51) }], ['of one kind', { kind: 'vm' }], ['of one thing', { object: 'web-7' }], ['of one person', { actor: 'user3@internal' }]];
for (const [name, query] of pages) {
  const times = Array.from({ length: 20 }, () => {
    const startedAt = performance.now();
    listConfigChanges(database.sql, { limit: 50, ...query }, lastForgotten(database.sql, Date.now(), historyDefaults));
    return performance.now() - startedAt;
  });
  print(`a page, ${name}`, times);
}
await site.close();
