/**
 * How long a page of 1,000 VMs takes for a user who was given each of them one by one, beside the administrator's page of as many:
 * as JSON, and the first 100 of them as the page of the UI.
 *
 * There are twice as many VMs as the user may see. Both ask the same process in turn, so what else the machine does meets both.
 *
 * usage: node build/test/bench/limited-list.js
 */
import { hashPassword } from '../../appliance/auth/password.ts';
import { openTestApp } from '../world/app.ts';
import { signIn } from '../world/person.ts';
import { figuresOf, print, time } from './figures.ts';

const seen = 1000;
const rounds = 60;

const site = await openTestApp();
const password = 'the password of all';
const passwordHash = await hashPassword(password);
await site.send('POST', '/api/v1/users', { name: 'chief', roles: ['administrator'], passwordHash });
await site.send('POST', '/api/v1/users', { name: 'guest', passwordHash });
for (let made = 0; made < 2 * seen; made += 1) {
  const name = `vm-${String(made).padStart(5, '0')}`;
  await site.send('POST', '/api/v1/vms', { name, vcpus: 1, memoryBytes: 2 ** 28 });
  if (made % 2 === 0) await site.send('POST', '/api/v1/assignments', { user: 'guest', role: 'vm-user', kind: 'vm', object: name });
}
const [chief, guest] = [await signIn(site, 'chief', password), await signIn(site, 'guest', password)];

for (const [what, path, shown] of [['the list as JSON', '/api/v1/vms?limit=1000', seen], ['the page of the UI', '/vms', 100]] as const) {
  const figures = new Map([[chief, [] as number[]], [guest, [] as number[]]]);
  for (let round = 0; round < rounds; round += 1) {
    for (const [who, samples] of figures) {
      samples.push(await time(async () => {
        const { status, body } = await who.send<{ items?: unknown[] } | string>('GET', path);
        const rows = typeof body === 'string' ? (body.match(/<tr id="vm-/g)?.length ?? 0) : body.items?.length;
        if (status !== 200 || rows !== shown) throw new Error(`${path}: ${status}, ${rows} VMs`);
      }));
    }
  }
  const [all = [], limited = []] = figures.values();
  print(`${what}, administrator`, all);
  print(`${what}, limited user`, limited);
  console.log(`  ratio of the medians ${(figuresOf(limited).p50 / figuresOf(all).p50).toFixed(2)}`);
}
await site.close();
