/** What a guest is told by cloud-init: the seed's three files, and which texts of people's own are refused. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { parse } from 'yaml';
import { networkConfigFault, userDataFault } from '../../appliance/vm/cloud-init/own-text.ts';
import { cloudInitFields, CloudInitWish } from '../../appliance/vm/cloud-init/schema.ts';
import { hostnameOf, type SeedSource, seedFiles } from '../../appliance/vm/cloud-init/seed.ts';
import { mergeCloudInit } from '../../appliance/vm/cloud-init/settings.ts';

const key = `ssh-ed25519 ${'A'.repeat(68)} somebody@somewhere`;
const macs = ['52:54:00:11:22:33', '52:54:00:11:22:44'];
const wish = { user: 'ada', passwordHash: `$6$abc$${'x'.repeat(86)}`, sshKeys: [key] };
const filesOf = (given: Parameters<typeof mergeCloudInit>[1], more: Partial<SeedSource> = {}) => seedFiles({ vmName: 'web-1', instanceId: 'one', macs, settings: mergeCloudInit(undefined, given), ...more });
/** As cloud-init reads it: YAML 1.1. */
const read = (text: string | undefined) => parse(text ?? '', { version: '1.1' });

test('a VM is told its name and its id; with nothing said, nothing of its network', () => {
  const files = filesOf({});
  assert.equal(Object.keys(files), ['meta-data', 'user-data']);
  assert.equal(read(files['meta-data']), { 'instance-id': 'one', 'local-hostname': 'web-1' });
  assert.match(files['user-data'] ?? '', /^#cloud-config\n/);
});

test('the user, the hash of the password and the keys', () => {
  assert.equal(read(filesOf(wish)['user-data']), { manage_etc_hosts: true, user: { name: 'ada', lock_passwd: false, hashed_passwd: wish.passwordHash }, ssh_authorized_keys: [key] });
});

test('without a name the image\'s own user gets the password; cloud-init takes only two kinds of hash then', () => {
  assert.equal(read(filesOf({ passwordHash: wish.passwordHash })['user-data']), { manage_etc_hosts: true, password: wish.passwordHash, chpasswd: { expire: false } });
  assert.throws(() => filesOf({ passwordHash: '$y$j9T$abc$def' }), /needs the name/);
  assert.is(read(filesOf({ user: 'ada', passwordHash: '$y$j9T$abc$def' })['user-data']).user.hashed_passwd, '$y$j9T$abc$def');
});

test('addresses go by MAC, which stays a text: bare it would be a number', () => {
  const [first] = CloudInitWish.parse({ interfaces: [{ addresses: ['192.168.10.5/24', '2001:db8::5/64'], gateways: ['192.168.10.1', '2001:db8::1'], dns: ['192.168.10.2'], search: ['example.org'] }] }).interfaces ?? [];
  assert.ok(first);
  const { 'network-config': text } = filesOf({ interfaces: [first] });
  assert.match(text ?? '', /macaddress: "52:54:00:11:22:33"/);
  assert.equal(read(text), { version: 2, ethernets: {
    nic0: { match: { macaddress: macs[0] }, dhcp4: false, addresses: first.addresses, routes: [{ to: '0.0.0.0/0', via: '192.168.10.1' }, { to: '::/0', via: '2001:db8::1' }], nameservers: { addresses: ['192.168.10.2'], search: ['example.org'] } },
    nic1: { match: { macaddress: macs[1] }, dhcp4: true, optional: true },
  } });
  assert.is(filesOf({ interfaces: [first], networkConfig: 'version: 2\n' })['network-config'], 'version: 2\n');
});

test('own settings stay as they were written and go before ours', () => {
  const own = '#cloud-config\n# keep me\npackages: [nginx]\nuser: root\nssh_pwauth: yes\n';
  const text = filesOf({ ...wish, userData: own })['user-data'] ?? '';
  assert.match(text, /^#cloud-config\n# keep me\n/);
  assert.match(text, /ssh_pwauth: yes/);
  assert.equal(read(text), { packages: ['nginx'], user: 'root', ssh_pwauth: true, manage_etc_hosts: true, ssh_authorized_keys: [key] });
  assert.equal(read(filesOf({ ...wish, userData: '#cloud-config\n' })['user-data']), read(filesOf(wish)['user-data']));
});

test('a script stands beside our settings as a second part; equal settings give equal seeds', () => {
  const script = '#!/bin/sh\necho "It\'s up" > /dev/ttyS0\n';
  const text = filesOf({ ...wish, userData: script })['user-data'] ?? '';
  const [, between = ''] = /boundary="([^"]+)"/.exec(text) ?? [];
  const parts = text.split(`--${between}`).slice(1, -1).map((part) => Buffer.from(part.slice(part.indexOf('\n\n')), 'base64').toString());
  assert.equal(parts, [filesOf(wish)['user-data'], script]);
  assert.equal(text, filesOf({ ...wish, userData: script })['user-data']);
});

test('the host name is made of any name', () => {
  assert.equal(['Web 1', 'büro_server.local', '机器', `a${'-'.repeat(70)}b`, 'web-1'].map(hostnameOf), ['web-1', 'bu-ro-server-local', 'vm', 'a-b', 'web-1']);
});

test('what is not cloud-init\'s is refused with the reason', () => {
  const bomb = ['#cloud-config', 'a: &a [x,x,x,x,x,x,x,x,x]', ...'bcdefgh'.split('').map((name, index) => `${name}: &${name} [${Array.from({ length: 9 }, () => `*${'abcdefg'[index]}`).join(',')}]`)].join('\n');
  const refused: [string, RegExp][] = [['packages: [a]', /first line/], ['#cloud-config-archive\n- x', /first line/], ['#cloud-config\na: [1', /not YAML/], ['#cloud-config\na: 1\na: 2', /not YAML/], ['#cloud-config\n- a', /list of settings/], [bomb, /aliases/], ['\x7fELF', /first line/]];
  for (const [text, words] of refused) assert.match(userDataFault(text) ?? 'taken', words, text.slice(0, 40));
  assert.equal(['', '#!/bin/sh\n', '#cloud-config', '#cloud-config\r\na: 1'].map(userDataFault), [undefined, undefined, undefined, undefined]);
  assert.match(networkConfigFault('ethernets: {}') ?? '', /version: 2/);
  assert.equal(['', 'version: 2', 'network:\n  version: 2\n', 'network: {version: 1, config: []}'].map(networkConfigFault), [undefined, undefined, undefined, undefined]);
});

test('fields: hashes, users, addresses and sizes', () => {
  const bad = [{ user: 'Ada L' }, { user: '-x' }, { passwordHash: 'secret' }, { passwordHash: '$1$abc$defdefdefdefdefdefdefdef' }, { password: 'a\nb' }, { password: 'a', passwordHash: wish.passwordHash }, { sshKeys: ['ssh-rsa x'] }, { interfaces: [{ addresses: ['192.168.1.1'] }] }, { interfaces: [{ gateways: ['192.168.1.1'] }] }, { userData: `#!${'x'.repeat(65_536)}` }];
  assert.equal(bad.filter((each) => CloudInitWish.safeParse(each).success), []);
  assert.ok(CloudInitWish.safeParse({ ...wish, passwordHash: '$y$j9T$abcdefghijklmnop$abcdefghijklmnopqrstuvwxyz0123456789ABCDEF' }).success);
  assert.ok('password' in cloudInitFields);
});

test.run();
