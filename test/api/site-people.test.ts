/** Roles, groups and roles on single things in a site file: made, compared, changed, exported, and refused where they name what is not there. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { openTestApp, type TestApp } from '../world/app.ts';

const file = `bothy: 1
roles:
  - name: watcher
    permissions: [vm.read]
users:
  - name: maria
    roles: [watcher]
groups:
  - name: staff
    members: [maria]
vms:
  - name: till
    memoryBytes: 256 MiB
access:
  - { group: staff, role: vm-user, kind: vm, object: till }
  - { user: maria, role: vm-owner, kind: vm, object: till }
`;

const plan = async (site: TestApp, text: string) => (await site.send<{ steps: { section: string; verb: string; name: string; details: string[] }[] }>('POST', '/api/v1/site/plan', { text })).body.steps;

test('a file makes roles, groups and access, and then finds nothing left to do', async () => {
  const site = await openTestApp();
  assert.equal((await plan(site, file)).filter(({ verb }) => verb === 'create').map(({ section }) => section), ['roles', 'users', 'groups', 'vms', 'access', 'access']);
  await site.carryOut('POST', '/api/v1/site/apply', { text: file });
  assert.equal(await plan(site, file), []);
  const { items } = (await site.send<{ items: { user: string | null; group: string | null; role: string; object: string }[] }>('GET', '/api/v1/assignments')).body;
  assert.equal(items.map(({ user, group, role, object }) => [user ?? group, role, object]), [['staff', 'vm-user', 'till'], ['maria@internal', 'vm-owner', 'till']]);
  const changed = await plan(site, file.replace('[vm.read]', '[vm.read, vm.console]').replace('members: [maria]', 'members: []'));
  assert.equal(changed.map(({ section, verb }) => `${verb} ${section}`), ['change roles', 'change groups']);
  const text = await (await site.door.request('http://bothy/api/v1/site/export', { headers: { authorization: `Bearer ${await site.tokenFor(['administrator'])}` } })).text();
  const again = await openTestApp();
  await again.carryOut('POST', '/api/v1/site/apply', { text });
  assert.equal(await plan(again, file), []);
  await site.close();
  await again.close();
});

test('what names a role or a user that is nowhere is a conflict before anything is done', async () => {
  const site = await openTestApp();
  const steps = await plan(site, 'bothy: 1\nusers: [{ name: a, roles: [none] }]\ngroups: [{ name: g, members: [b] }]\naccess: [{ user: a, role: none, kind: vm, object: x }]\nroles: [{ name: operator, permissions: [vm.read] }]\n');
  assert.equal(steps.map(({ section, verb }) => `${verb} ${section}`), ['conflict roles', 'conflict users', 'conflict groups', 'conflict access']);
  await site.close();
});

test.run();
