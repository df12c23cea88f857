/** Domain and volume metadata, held against vectors of vdsm's own tests (persistent_test.py) and its limits. */
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { formatDomainMetadata, parseDomainMetadata, seal } from '../../appliance/storage/domain-metadata.ts';
import { describeDisk, formatVolumeMetadata, parseVolumeMetadata, type Volume } from '../../appliance/storage/volume-metadata.ts';

const domain = { id: '75f8a1bb-4504-4314-91ca-d9365a30692b', class: 'data', description: 'local', remotePath: '/srv/x' } as const;
const volume: Volume = {
  domainId: domain.id,
  imageId: '11111111-2222-4333-8444-555555555555',
  volumeId: '99999999-2222-4333-8444-555555555555',
  format: 'cow',
  allocation: 'sparse',
  role: 'leaf',
  sizeBytes: 1073741824,
  isLegal: true,
  description: '{"DiskAlias":"root"}',
  createdAt: 1440935038,
  generation: 7,
};

test('seals values as vdsm does', () => {
  assert.is(seal({ 'key 1': 'value 1', 'key 2': 'value 2' }), 'key 1=value 1\nkey 2=value 2\n_SHA_CKSUM=ad4e8ffdd89dde809bf1ed700838b590b08a3826\n');
  assert.is(seal({ 'key 3': 'value 3', 'key 2': 'new value 2', 'key 1': 'value 1' }).split('=').at(-1), '96cff78771397697ce609321364aabc818299be8\n');
  assert.is(seal({}), '_SHA_CKSUM=da39a3ee5e6b4b0d3255bfef95601890afd80709\n');
});

test('seals text outside of ASCII as Python encodes it with xmlcharrefreplace', () => {
  assert.match(seal({ DESCRIPTION: 'Größe 存 😀', VERSION: '5' }), 'ed3a297b6a948c0154bae35dad09b35b5e3cd1f4');
});

test('writes every key that a version 5 domain has', () => {
  const keys = formatDomainMetadata(domain).trim().split('\n').map((line) => line.split('=')[0]);
  assert.equal(keys, [
    'ALIGNMENT', 'BLOCK_SIZE', 'CLASS', 'DESCRIPTION', 'IOOPTIMEOUTSEC', 'LEASERETRIES', 'LEASETIMESEC', 'LOCKPOLICY',
    'LOCKRENEWALINTERVALSEC', 'POOL_UUID', 'REMOTE_PATH', 'ROLE', 'SDUUID', 'TYPE', 'VERSION', '_SHA_CKSUM',
  ]);
});

test('reads a domain back, whatever its name', () => {
  fc.assert(fc.property(fc.string({ unit: 'binary' }), fc.constantFrom('data' as const, 'iso' as const), (name, kind) => {
    const wanted = { ...domain, class: kind, description: name.replace(/[\r\n]/g, '') };
    assert.equal(parseDomainMetadata(formatDomainMetadata(wanted)), { isOk: true, domain: wanted });
  }));
});

test('a name cannot forge a key', () => {
  assert.throws(() => formatDomainMetadata({ ...domain, description: 'x\nCLASS=Iso' }), /line end/);
  assert.match(formatVolumeMetadata({ ...volume, description: 'x\nLEGALITY=LEGAL' }), 'DESCRIPTION=x LEGALITY=LEGAL\n');
});

test('one changed bit of domain metadata is noticed', () => {
  const text = formatDomainMetadata(domain);
  fc.assert(fc.property(fc.nat(text.length - 2), fc.integer({ min: 0, max: 6 }), (at, bit) => {
    const changed = text.slice(0, at) + String.fromCharCode(text.charCodeAt(at) ^ (1 << bit)) + text.slice(at + 1);
    const parsed = parseDomainMetadata(changed);
    // Blanks around the checksum and around keys carry nothing.
    if (parsed.isOk) assert.equal(parsed.domain, domain);
  }), { numRuns: 500 });
});

test('refuses domain metadata without checksum, of another version, or empty', () => {
  const reason = (text: string) => {
    const parsed = parseDomainMetadata(text);
    return parsed.isOk ? 'accepted' : parsed.reason;
  };
  assert.match(reason(''), 'no checksum');
  assert.match(reason(formatDomainMetadata(domain).replace(/_SHA.*/, '')), 'no checksum');
  assert.match(reason(seal({ VERSION: '4', CLASS: 'Data', SDUUID: domain.id })), 'version is 4');
  assert.match(reason(seal({ VERSION: '5', CLASS: 'Backup', SDUUID: domain.id })), 'class is Backup');
});

test('writes a volume as vdsm does', () => {
  assert.is(formatVolumeMetadata(volume), [
    'CAP=1073741824', 'CTIME=1440935038', 'DESCRIPTION={"DiskAlias":"root"}', 'DISKTYPE=DATA', `DOMAIN=${domain.id}`, 'FORMAT=COW',
    'GEN=7', `IMAGE=${volume.imageId}`, 'LEGALITY=LEGAL', 'PUUID=00000000-0000-0000-0000-000000000000', 'SEQ=1', 'TYPE=SPARSE', 'VOLTYPE=LEAF', 'EOF', '',
  ].join('\n'));
});

test('reads a volume that vdsm wrote before generations and sequences', () => {
  const text = formatVolumeMetadata(volume).replace('GEN=7\n', '').replace('SEQ=1\n', '');
  assert.equal(parseVolumeMetadata(volume.volumeId, text), { isOk: true, volume: { ...volume, generation: 0 } });
});

const volumes = fc.record({
  domainId: fc.uuid(), imageId: fc.uuid(), volumeId: fc.uuid(), parentId: fc.uuid({ version: 4 }),
  format: fc.constantFrom('raw' as const, 'cow' as const),
  allocation: fc.constantFrom('sparse' as const, 'preallocated' as const),
  role: fc.constantFrom('leaf' as const, 'internal' as const, 'shared' as const),
  sizeBytes: fc.nat(), isLegal: fc.boolean(), description: fc.string({ unit: 'grapheme', maxLength: 600 }),
  createdAt: fc.nat(), generation: fc.integer({ min: 0, max: 999 }),
}, { requiredKeys: ['domainId', 'imageId', 'volumeId', 'format', 'allocation', 'role', 'sizeBytes', 'isLegal', 'description', 'createdAt', 'generation'] });

test('reads back every volume, always within one sector', () => {
  fc.assert(fc.property(volumes, (wanted) => {
    const text = formatVolumeMetadata(wanted);
    assert.ok(Buffer.byteLength(text) <= 512);
    const parsed = parseVolumeMetadata(wanted.volumeId, text);
    if (!parsed.isOk) throw new Error(parsed.reason);
    const { description, ...rest } = parsed.volume;
    const { description: given, ...others } = wanted;
    assert.equal(rest, others);
    assert.ok(given.replace(/[\r\n]/g, ' ').trim().startsWith(description), 'a long description is shortened');
  }), { numRuns: 500 });
});

test('the worst case fits one sector', () => {
  const worst = { ...volume, sizeBytes: Number.MAX_SAFE_INTEGER - 1, parentId: volume.imageId, allocation: 'preallocated', role: 'internal', isLegal: false, generation: 999, description: 'x'.repeat(999), createdAt: 99999999999 } as const;
  assert.ok(Buffer.byteLength(formatVolumeMetadata(worst)) <= 512);
});

test('never throws on what it cannot read, and says which key is wrong', () => {
  const text = formatVolumeMetadata(volume);
  for (const key of ['CAP', 'CTIME', 'DOMAIN', 'FORMAT', 'IMAGE', 'LEGALITY', 'PUUID', 'TYPE', 'VOLTYPE']) {
    assert.equal(parseVolumeMetadata(volume.volumeId, text.replace(new RegExp(`^${key}=.*\n`, 'm'), '')), { isOk: false, reason: `${key} is missing` });
  }
  assert.is(parseVolumeMetadata(volume.volumeId, text.replace('COW', 'QED')).isOk, false);
  fc.assert(fc.property(fc.string({ unit: 'binary' }), (noise) => {
    assert.type(parseVolumeMetadata(volume.volumeId, noise).isOk, 'boolean');
    assert.type(parseDomainMetadata(noise).isOk, 'boolean');
  }));
});

test('a disk is described as JSON that is whole, however long its texts are', () => {
  fc.assert(fc.property(fc.string({ unit: 'grapheme', maxLength: 64 }), fc.string({ unit: 'grapheme', maxLength: 500 }), (name, description) => {
    const text = describeDisk({ name, description });
    assert.ok(Buffer.byteLength(text) <= 210);
    const { DiskAlias, DiskDescription = '' } = JSON.parse(text);
    assert.ok(name.startsWith(DiskAlias));
    assert.ok(description.startsWith(DiskDescription));
  }));
});

test.run();
