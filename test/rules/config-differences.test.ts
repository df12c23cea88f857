/** The differences of two states of a thing: as deep as they go, and nothing that is secret. */
import * as fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { differencesOf } from '../../appliance/activity/config-differences.ts';

const told = (before: unknown, after: unknown, names: Record<string, string> = {}) =>
  differencesOf(before, after, (id) => names[id]).map(({ field, before: was, after: is, isSecret }) => (isSecret ? [field, 'secret'] : [field, was, is]));

test('a field of a thing, and of a secret only that it changed', () => {
  assert.equal(told({ name: 'a', vcpus: 1, generation: 1, passwordHash: 'x' }, { name: 'a', vcpus: 2, generation: 2, passwordHash: 'y' }), [['vcpus', 1, 2], ['passwordHash', 'secret']]);
  assert.equal(told(undefined, { name: 'a', cdrom: null }), [['name', null, 'a']]);
  assert.equal(told({ name: 'a' }, null), [['name', 'a', null]]);
});

test('the watchdog of a machine is one line, not its whole hardware', () => {
  const hardware = { watchdog: 'none', watchdogAction: 'reset', cpu: 'auto', channels: ['a'] };
  assert.equal(told({ hardware }, { hardware: { ...hardware, watchdog: 'ib700' } }), [['hardware.watchdog', 'none', 'ib700']]);
  assert.equal(told({ hardware }, { hardware: { ...hardware, channels: ['a', 'b'] } }), [['hardware.channels', ['a'], ['a', 'b']]]);
  assert.equal(differencesOf({ hardware }, { hardware: { ...hardware, cpu: 'EPYC' } })[0]?.path, ['hardware', 'cpu']);
});

test('things in a list are found again by their id wherever they stand, and called by their name', () => {
  const [one, two] = [{ diskId: 'd1', vmId: 'v', slot: 1, settings: { cache: 'none', bus: 'virtio' } }, { diskId: 'd2', vmId: 'v', slot: 2, settings: { cache: 'none', bus: 'sata' } }];
  const names = { d1: 'web-disk1', d2: 'web-disk2' };
  assert.equal(told({ disks: [one, two] }, { disks: [two, { ...one, settings: { ...one.settings, cache: 'writeback' } }] }, names), [['disks[web-disk1].settings.cache', 'none', 'writeback']]);
  assert.equal(told({ disks: [one] }, { disks: [one, two] }, names), [['disks[web-disk2]', null, { settings: { cache: 'none', bus: 'sata' } }]]);
  assert.equal(told({ disks: [one, two] }, { disks: [two] }, names), [['disks[web-disk1]', { settings: { cache: 'none', bus: 'virtio' } }, null]]);
  assert.equal(told({ nics: [{ id: 'n1', mac: '52:54:00:00:00:01', network: 'a' }] }, { nics: [{ id: 'n1', mac: '52:54:00:00:00:01', network: 'b' }] }), [['nics[52:54:00:00:00:01].network', 'a', 'b']]);
  assert.equal(told({ nodes: [{ cpus: 1 }] }, { nodes: [{ cpus: 2 }] }), [['nodes[1].cpus', 1, 2]]);
});

test('a secret is told nowhere, however deep it lies', () => {
  const deep = (value: string) => ({ settings: { users: [{ name: 'ada', passwordHash: value, shell: value.length }], secrets: { password: value } } });
  assert.equal(told(deep('hidden-one'), deep('hidden-second')), [['settings.users[ada].passwordHash', 'secret'], ['settings.users[ada].shell', 10, 13], ['settings.secrets', 'secret']]);
  assert.not.match(JSON.stringify([differencesOf(null, deep('hidden-one')), differencesOf(deep('hidden-one'), null)]), /hidden/);
});

test('equal states differ in nothing, in whatever order they were written; others in something', () => {
  fc.assert(fc.property(fc.object({ maxDepth: 3 }), (state) => assert.equal(differencesOf(state, Object.fromEntries(Object.entries(structuredClone(state)).reverse())), [])));
  const plain = fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.array(fc.integer(), { minLength: 1 }));
  fc.assert(fc.property(fc.array(fc.constantFrom('a', 'b', 'c'), { minLength: 1, maxLength: 4 }), plain, plain, (path, was, is) => {
    const at = (value: unknown) => path.reduceRight<unknown>((inner, name) => ({ [name]: inner, other: 1 }), value);
    const isSame = JSON.stringify(was) === JSON.stringify(is);
    assert.equal(told(at(was), at(is)), isSame ? [] : [[path.join('.'), was, is]]);
  }));
});

test.run();
