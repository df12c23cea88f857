/** What the check of a site file finds, where, and in which words; and that nothing a file may hold brings it down. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { rootPath } from '../../appliance/paths.ts';
import { checkSite, type SiteFault } from '../../appliance/provision/check.ts';
import { siteJsonSchema } from '../../appliance/provision/json-schema.ts';
import { nearest } from '../../appliance/provision/nearest.ts';
import { newSealingKey, publicKeyOf, seal, unseal } from '../../appliance/provision/sealed.ts';
import { makePair } from '../world/certificate.ts';

const faultsOf = (text: string) => checkSite(text).faults;
const told = ({ line, column, path, message }: SiteFault) => `${line}:${column} ${path}: ${message}`;
const only = (text: string) => faultsOf(text).map(told).join('\n');

test('the example is right, and all that it says arrives', () => {
  const { site, faults } = checkSite(readFileSync(join(rootPath, 'image/site.example.yaml'), 'utf8'));
  assert.equal(faults, []);
  assert.is(site?.vms[0]?.memoryBytes, 2 * 2 ** 30);
  assert.is(site?.vms[0]?.disks[0]?.sizeBytes, 20 * 2 ** 30);
  assert.is(site?.networks[0]?.subnet, '192.168.150.0/24');
});

test('the schema beside the example is the one that is published', () => {
  assert.equal(JSON.parse(readFileSync(join(rootPath, 'image/site.schema.json'), 'utf8')), JSON.parse(JSON.stringify(siteJsonSchema())));
});

test('all errors are told at once, in order of line, each with its place and what was expected', () => {
  const text = [
    'bothy: 1',
    'host:',
    '  hostname: 7',
    '  timezone: Europe/Berlin',
    'vms:',
    '  - name: web',
    '    vcpus: two',
    '    memoryBytes: 512 MB and a bit',
    '    frimware: efi',
    '  - memoryBytes: 1 GiB',
    '    firmware: uefi',
    '    autostart: yes',
    '    disks: [{ sizeBytes: 1 KiB }]',
    'colour: red',
  ].join('\n');
  assert.equal(faultsOf(text).map(told), [
    '3:13 host.hostname: This must be text.',
    '4:3 host.timezone: There is no "timezone" here. Is "timeZone" meant?',
    '7:12 vms.0.vcpus: This must be a number.',
    '8:18 vms.0.memoryBytes: This must be a size, such as 20 GiB, or a number of bytes.',
    '9:5 vms.0.frimware: There is no "frimware" here. Is "firmware" meant?',
    '10:5 vms.1.name: This is required.',
    '11:15 vms.1.firmware: This must be one of: efi, efi-secure, bios.',
    '12:16 vms.1.autostart: Write true or false: other words are plain text.',
    '13:26 vms.1.disks.0.sizeBytes: At least 1 MiB.',
    '14:1 colour: There is no "colour" here. There are: bothy, host, ports, certificate, history, destinations, signIn, storageDomains, networks, roles, users, groups, quotas, images, disks, vms, pools, access, vmDefaults, updates, cluster, onNewFile.',
  ]);
});

const traps: [string, string, RegExp][] = [
  ['an empty file', '', /^1:1 : The file is empty/],
  ['only a comment', '# nothing', /is empty/],
  ['a key that stands twice', 'bothy: 1\nhost: { hostname: a }\nhost: { hostname: b }', /^3:1 : This key stands here twice/],
  ['tabs', 'bothy: 1\nhost:\n\thostname: a', /^3:1 : Indent with spaces/],
  ['a bomb of aliases', `bothy: 1\na: &a [x,x,x,x,x,x,x,x,x,x]\n${'bcdefgh'.split('').map((name, index) => `${name}: &${name} [${Array(10).fill(`*${'abcdefg'[index]}`).join(',')}]`).join('\n')}`, /aliases/],
  ['an alias of nothing', 'bothy: 1\nhost: *none', /anchor/],
  ['deep nesting', `bothy: ${'['.repeat(60)}${']'.repeat(60)}`, /nested too deeply/],
  ['very deep nesting', `bothy: ${'['.repeat(100_000)}`, /./],
  ['two documents', 'bothy: 1\n---\nbothy: 1', /second document/],
  ['another YAML', '%YAML 1.1\n---\nbothy: 1', /Directives/],
  ['a tag', 'bothy: !!js/function "x"', /Tags/],
  ['merge keys', 'bothy: 1\nhost: { <<: { hostname: a } }', /There is no "<<" here/],
  ['a list instead of an object', '- bothy: 1', /This must be an object/],
  ['the wrong version', 'bothy: 2', /version of its format/],
  ['no version', 'host: { hostname: a }', /bothy: 1/],
  ['a prototype', 'bothy: 1\n__proto__: { polluted: true }', /There is no "__proto__" here/],
  ['no text', 'bothy: 1\nhost: { hostname: "\0" }', /UTF-8/],
  ['a lost quote', 'bothy: 1\nhost: { hostname: "a }', /quote/],
  ['too large', `bothy: 1\n#${'x'.repeat(600_000)}`, /512 KiB/],
];
for (const [what, text, expected] of traps) {
  test(`refused: ${what}`, () => {
    assert.match(only(text), expected);
    assert.not((Object.prototype as { polluted?: boolean }).polluted);
  });
}

test('NO is a name, and numbers that look like text are told to be', () => {
  assert.equal(checkSite('bothy: 1\nvms: [{ name: NO }]').site?.vms[0]?.name, 'NO');
  assert.match(only('bothy: 1\nvms: [{ name: 42 }]'), /^2:15 vms.0.name: This must be text/);
  assert.match(only('bothy: 1\nupdates: { window: "2:30-04:00" }'), /window: Two times of the day/);
});

test('what clashes within the file is told', () => {
  const text = 'bothy: 1\nnetworks: [{ name: a }, { name: a }]\nusers: [{ name: x, roles: [observer] }, { name: x@internal, roles: [observer] }]\nvms:\n- { name: v, disks: [{ sizeBytes: 1 GiB }, { name: v-disk1, sizeBytes: 1 GiB }], nics: [{ mac: "52:54:00:00:00:01" }, { mac: "52:54:00:00:00:01" }] }';
  assert.equal(faultsOf(text).map(({ path }) => path), ['networks.1.name', 'users.1.name', 'vms.0.disks.1.name', 'vms.0.nics.1.mac']);
});

test('what is fetched needs a checksum and an address without a password; what lies on the stick stays on it', () => {
  const images = (fields: string) => only(`bothy: 1\nimages: [{ name: a.iso, ${fields} }]`);
  assert.match(images('url: https://example.org/a.iso'), /sha256: What is fetched needs its checksum/);
  assert.match(images(`url: "https://me:hunter2@example.org/a", sha256: ${'a'.repeat(64)}`), /without user and password/);
  assert.match(images('url: file:///etc/passwd'), /https/);
  assert.match(images('file: ../../etc/passwd'), /stick/);
  assert.match(images('file: a/../../b'), /leave the stick/);
  assert.match(images(''), /url: Give the address/);
  assert.is(images('file: a.iso'), '');
});

test('no message tells a secret', () => {
  const secret = 'hunter2-hunter2';
  for (const text of [
    `bothy: 1\nusers: [{ name: a, roles: [observer], password: ${secret}, passwordHash: ${secret} }]`,
    `bothy: 1\nusers: [{ name: a, roles: [observer], password: "${secret}`,
    `bothy: 1\nusers: [{ name: a, roles: [observer], password: *${secret} }]`,
    `bothy: 1\nusers: [{ name: a, roles: ${secret}, password: [${secret}] }]`,
    `bothy: 1\nusers: [{ name: ${secret}!, roles: [observer] }]`,
    `bothy: 1\nusers:\n  - name: a\n    password: ${secret}: ${secret}`,
    `bothy: 1\nusers: !${secret} a`,
  ]) {
    assert.ok(faultsOf(text).length > 0, text);
    assert.not.match(only(text), /hunter2/, text);
  }
});

test('sealed secrets are taken where secrets stand, opened with the key, and told when they belong to another machine', () => {
  const key = newSealingKey();
  const sealed = seal(publicKeyOf(key), 'four unrelated words');
  const text = `bothy: 1\nusers: [{ name: a, roles: [administrator], password: "${sealed}" }]`;
  assert.is(checkSite(text).faults.length, 0, 'without the key');
  const open = checkSite(text, { unseal: (each) => unseal(key, each) });
  assert.is(open.site?.users[0]?.password, 'four unrelated words');
  assert.not.match(JSON.stringify(open.document), /unrelated/, 'what is kept stays sealed');
  const other = newSealingKey();
  assert.match(checkSite(text, { unseal: (each) => unseal(other, each) }).faults.map(told).join(), /another machine/);
  assert.match(only(`bothy: 1\nhost: { hostname: "${sealed}" }`), /Only secrets/);
  assert.match(only(text.replace(sealed, sealed.slice(0, 30))), /cut off/);
  const weak = seal(publicKeyOf(key), 'short');
  assert.match(checkSite(text.replace(sealed, weak), { unseal: (each) => unseal(key, each) }).faults.map(told).join(), /At least 12|at least 12/);
});

test('a sealed secret that was changed does not open', () => {
  const key = newSealingKey();
  const sealed = seal(publicKeyOf(key), 'secret');
  assert.is(unseal(key, sealed), 'secret');
  for (const at of [12, 50, 60, 80, sealed.length - 1]) {
    const changed = `${sealed.slice(0, at)}${sealed[at] === 'A' ? 'B' : 'A'}${sealed.slice(at + 1)}`;
    // The last letter may hold bits that stand for nothing.
    if (at < sealed.length - 1) assert.is(unseal(key, changed), undefined, String(at));
  }
});

test('near words', () => {
  const known = ['vcpus', 'memoryBytes', 'firmware', 'name'];
  assert.equal(['vcpu', 'memory', 'frimware', 'nmae', 'xyz'].map((word) => nearest(word, known)), ['vcpus', 'memoryBytes', 'firmware', 'name', undefined]);
});

test('whatever the text, the check ends with a site or with faults', () => {
  const piece = fc.constantFrom('bothy: 1\n', 'vms:\n', '  - ', 'name: ', '- ', '{', '}', '[', ']', ': ', '\n', '&a ', '*a', '"', "'", '|\n', '>', '#', '? ', '!!', '\t', '%', '---\n', 'x', '1', '\u2028', '\u0000');
  fc.assert(fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
    const { site, faults } = checkSite(pieces.join(''));
    assert.is(site === undefined, faults.length > 0);
    for (const { line, column } of faults) assert.ok(line >= 1 && column >= 1);
  }), { numRuns: 1_000 });
});

test('a certificate that cannot serve is told where it stands, without a word of its key', () => {
  const [one, other] = [makePair('one'), makePair('other')];
  const block = (pem: string) => `|\n${pem.trim().split('\n').map((line) => `    ${line}`).join('\n')}`;
  const file = (chain: string, key: string) => `bothy: 1\ncertificate:\n  chain: ${chain}\n  key: ${key}\n`;
  assert.is(only(file(block(one.chain), block(one.key))), '');
  const wrong = only(file(block(one.chain), block(other.key)));
  assert.match(wrong, /^\d+:\d+ certificate\.key: This key belongs to another certificate/);
  assert.not.ok(wrong.includes(other.key.split('\n')[1] ?? ''));
  assert.match(only(file('nonsense', block(one.key))), /^3:10 certificate\.chain: This is no certificate in PEM/);
  const machine = newSealingKey();
  assert.is(only(file(block(one.chain), seal(publicKeyOf(machine), one.key))), '', 'sealed to some machine');
  assert.equal(checkSite(file(block(one.chain), seal(publicKeyOf(machine), one.key)), { unseal: (text) => unseal(machine, text) }).site?.certificate, { chain: one.chain.trim(), key: one.key.trim() });
});

test('addresses that no port can have are told where they stand', () => {
  const port = (rest: string) => `bothy: 1\nports: [{ port: eno1, ${rest} }]\n`;
  assert.is(only(port('method: static, address: 10.1.2.3/24, gateway: 10.1.2.1')), '');
  assert.match(only(port('method: static, address: 10.1.2.0/24')), /^2:\d+ ports\.0\.address: 10\.1\.2\.0 is no address that a machine can have/);
  assert.match(only(port('method: static, address: 10.1.2.3/24, gateway: 10.9.9.1')), /^2:\d+ ports\.0\.gateway: The gateway 10\.9\.9\.1 is not another address in the network/);
  assert.match(only('bothy: 1\nports:\n  - { port: eno1, method: dhcp }\n  - { port: eno1, method: dhcp }\n'), /^4:\d+ ports\.1\.port: This port stands here twice/);
});

test.run();
