/** What the first bytes of an upload may say. The same images, made by qemu-img, are tried in the contract suite. */
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { checkDeclared, headerBytes, recognise } from '../../appliance/storage/image-header.ts';
import { parseQcow2Header } from '../../appliance/storage/qcow2-header.ts';
import { dataFileExtension, qcow2Header, vdiHeader, vhdxHeader, vmdkHeader } from '../world/image-bytes.ts';

const formats = ['raw', 'qcow2', 'vmdk', 'vhdx', 'vdi'] as const;
const samples = { qcow2: qcow2Header(), vmdk: vmdkHeader(), vhdx: vhdxHeader(), vdi: vdiHeader() };
const MiB = 1 << 20;

/** The reason of a refusal; fails the test when the header is accepted. */
function reason(declared: (typeof formats)[number], bytes: Uint8Array, sizeBytes = MiB): string {
  const check = checkDeclared(declared, bytes, sizeBytes);
  if (check.isOk) throw new Error(`${declared} was accepted`);
  return check.reason;
}

test('recognises each format by its magic number, and raw by having none', () => {
  for (const format of ['qcow2', 'vmdk', 'vhdx', 'vdi'] as const) assert.is(recognise(samples[format]), format);
  assert.is(recognise(new Uint8Array(headerBytes)), undefined);
  assert.is(recognise(new Uint8Array()), undefined);
});

test('accepts a sound header that is what it was declared as', () => {
  assert.equal(checkDeclared('qcow2', samples.qcow2, MiB), { isOk: true, virtualSizeBytes: MiB });
  assert.equal(checkDeclared('qcow2', qcow2Header({ version: 2 }), MiB), { isOk: true, virtualSizeBytes: MiB });
  assert.equal(checkDeclared('vmdk', samples.vmdk, MiB), { isOk: true, virtualSizeBytes: MiB });
  assert.equal(checkDeclared('vdi', samples.vdi, MiB), { isOk: true, virtualSizeBytes: MiB });
  assert.equal(checkDeclared('vhdx', samples.vhdx, MiB), { isOk: true });
  assert.equal(checkDeclared('raw', new Uint8Array(512), 1000), { isOk: true, virtualSizeBytes: 1024 }, 'a raw disk has whole sectors');
});

test('refuses every other declaration, and says which one is right', () => {
  for (const found of ['qcow2', 'vmdk', 'vhdx', 'vdi'] as const) {
    for (const declared of formats) {
      if (declared === found) continue;
      assert.match(reason(declared, samples[found]), `declared as ${declared}. Upload it again declared as ${found}`);
    }
  }
  for (const declared of ['qcow2', 'vmdk', 'vhdx', 'vdi'] as const) assert.match(reason(declared, new Uint8Array(headerBytes)), 'its header is missing');
});

test('refuses an image that names another file', () => {
  assert.match(reason('qcow2', qcow2Header({ backingFile: '/etc/shadow' })), 'backing file "/etc/shadow"');
  assert.match(reason('qcow2', qcow2Header({ version: 2, backingFile: 'nbd://host/x' })), 'backing file "nbd://host/x"');
  assert.match(reason('qcow2', qcow2Header({ features: 1n << 2n })), 'data file');
  assert.match(reason('qcow2', qcow2Header({ extensions: [{ type: 1, data: new Uint8Array(3) }, { type: dataFileExtension, data: new Uint8Array(9) }] })), 'data file');
  assert.match(reason('vmdk', new TextEncoder().encode('# Disk DescriptorFile\nRW 1 FLAT "/etc/shadow" 0\n')), 'only the descriptor');
  assert.match(reason('vmdk', vmdkHeader({ capacitySectors: 0n })), 'lies in other files');
  assert.match(reason('vmdk', vmdkHeader({ descriptor: 'parentFileNameHint="/etc/shadow"\n' })), 'layer over another VMDK');
  assert.match(reason('vdi', vdiHeader({ parent: 7 })), 'layer over another VDI');
  assert.match(reason('vdi', vdiHeader({ imageType: 4 })), 'layer over another VDI');
});

test('a backing file is found wherever its name lies, and shown without control characters', () => {
  const far = qcow2Header({ backingFile: 'base' });
  new DataView(far.buffer).setBigUint64(8, 1n << 40n);
  assert.match(reason('qcow2', far), 'backing file "?"');
  assert.match(reason('qcow2', qcow2Header({ backingFile: 'a\n\u001b[31mb' })), 'backing file "a??[31mb"');
});

test('refuses encryption, corruption, unknown features and impossible sizes', () => {
  assert.match(reason('qcow2', qcow2Header({ encryption: 1 })), 'encrypted');
  assert.match(reason('qcow2', qcow2Header({ encryption: 2 })), 'encrypted');
  assert.match(reason('qcow2', qcow2Header({ features: 2n })), 'corrupt');
  assert.match(reason('qcow2', qcow2Header({ features: (1n << 63n) | (1n << 5n) })), 'bits 5, 63');
  assert.match(reason('qcow2', qcow2Header({ virtualSizeBytes: 0n })), 'size 0');
  assert.match(reason('qcow2', qcow2Header({ virtualSizeBytes: 1n << 63n })), 'impossible size');
  assert.match(reason('qcow2', qcow2Header({ clusterBits: 40 })), 'damaged');
});

test('accepts features that are only of interest to QEMU: dirty, compression type, extended L2', () => {
  assert.ok(checkDeclared('qcow2', qcow2Header({ features: 0b11001n }), MiB).isOk);
});

test('names the archive that was uploaded instead of the image inside', () => {
  assert.match(reason('raw', Uint8Array.of(0x1f, 0x8b, 8, 0)), 'gzip archive. Unpack it');
  assert.match(reason('qcow2', new TextEncoder().encode('PK\u0003\u0004')), 'zip archive. Unpack it');
  const tar = new Uint8Array(512);
  tar.set(new TextEncoder().encode('ustar'), 257);
  assert.match(reason('vmdk', tar), 'perhaps an OVA');
  assert.match(reason('raw', new TextEncoder().encode('conectix')), 'VHD image. Convert it first');
  assert.match(reason('raw', new Uint8Array(), 0), 'empty');
});

test('never throws, whatever the bytes are', () => {
  const start = fc.constantFrom(new Uint8Array(), ...Object.values(samples).map((bytes) => bytes.subarray(0, 512)));
  fc.assert(fc.property(start, fc.uint8Array({ maxLength: 2048 }), fc.nat(600), fc.constantFrom(...formats), (head, noise, at, declared) => {
    const bytes = new Uint8Array(Math.max(head.length, at + noise.length));
    bytes.set(head);
    bytes.set(noise, at);
    const check = checkDeclared(declared, bytes, bytes.length);
    assert.type(check.isOk, 'boolean');
  }), { numRuns: 2000 });
});

test('reads back every qcow2 header that was written', () => {
  const fields = fc.record({
    version: fc.constantFrom(2 as const, 3 as const),
    virtualSizeBytes: fc.bigInt({ min: 0n, max: (1n << 63n) - 1n }),
    clusterBits: fc.integer({ min: 9, max: 21 }),
    backingFile: fc.string({ unit: 'grapheme', maxLength: 200 }),
    encryption: fc.constantFrom(0, 1, 2),
  });
  fc.assert(fc.property(fields, (wanted) => {
    const header = parseQcow2Header(qcow2Header(wanted));
    assert.is(header?.version, wanted.version);
    assert.is(header?.virtualSizeBytes, wanted.virtualSizeBytes);
    assert.is(header?.clusterSizeBytes, 2 ** wanted.clusterBits);
    assert.is(header?.backingFile, wanted.backingFile || undefined);
    assert.is(header?.isEncrypted, wanted.encryption > 0);
  }));
});

test('reads a header from the middle of a larger buffer', () => {
  const whole = new Uint8Array(100 + headerBytes);
  whole.set(qcow2Header({ virtualSizeBytes: 12345n << 9n }), 100);
  assert.is(parseQcow2Header(whole.subarray(100))?.virtualSizeBytes, 12345n << 9n);
});

test.run();
