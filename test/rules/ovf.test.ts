/** What a description of a machine means, in the styles of those who write them; what we write ourselves comes back as it was. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { completeHardware, plainDisk, plainNic } from '../../appliance/vm/definition/hardware.ts';
import { readOvf } from '../../appliance/vm/carry/ovf-read.ts';
import { type CarriedMachine, manifestOf, ovfOf, readManifest } from '../../appliance/vm/carry/ovf-write.ts';
import { ovirtOvf, virtualBoxOvf, vmwareOvf } from '../world/ovf-examples.ts';

const machine: CarriedMachine = {
  name: 'till "1" & <2>', description: 'ü', vcpus: 3, memoryBytes: 640 * 2 ** 20, firmware: 'efi-secure', hardware: completeHardware({ os: 'windows-11', sound: 'ac97', channels: ['org.example.0'] }),
  disks: [{ file: 'a-disk1.vmdk', fileBytes: 70_144, sizeBytes: 2 ** 30, format: 'vmdk', settings: { ...plainDisk, bus: 'scsi', serial: 'S-1' } }], nics: [{ network: 'shop', settings: { ...plainNic, model: 'virtio' } }],
};

test('what is written can be read', () => {
  const read = readOvf(ovfOf(machine));
  assert.equal([read.name, read.vcpus, read.memoryBytes, read.firmware, read.os, read.notes], [machine.name, 3, machine.memoryBytes, 'efi-secure', 'windows-11', []]);
  assert.equal(read.disks.map(({ file, bus, settings }) => [file, bus, settings.serial]), [['a-disk1.vmdk', 'scsi', 'S-1']]);
  assert.equal(read.nics, [{ network: 'shop', model: 'virtio' }]);
  for (const name of ['sound', 'channels', 'clock', 'usb'] as const) assert.equal(read.hardware[name], machine.hardware[name]);
});

test('what reaches into the host is not taken from a file, nor is what no schema knows', () => {
  const hostile = { hardware: { video: 'cirrus', floppy: 'other.img', hugePages: '2M', guaranteedBytes: 2 ** 40 } };
  const text = vmwareOvf({ file: 'a.vmdk' }).replace(/vmw:value="\{[^"]*"/, `vmw:value="${JSON.stringify(hostile).replaceAll('"', '&quot;')}"`);
  assert.equal(readOvf(text).hardware, { video: 'cirrus' });
  assert.equal(readOvf(vmwareOvf({ file: 'a.vmdk' })).hardware, {}, 'no such graphics card');
});

test('other writers: units, prefixes, models', () => {
  assert.equal([vmwareOvf, virtualBoxOvf, ovirtOvf].map((example) => readOvf(example({ file: 'x' }))).map(({ memoryBytes, firmware, disks, nics }) => [memoryBytes / 2 ** 20, firmware, disks[0]?.bus, nics[0]?.model]), [
    [1024, 'efi', 'sata', 'e1000e'], [512, 'bios', 'sata', 'rtl8139'], [2048, 'efi-secure', 'scsi', 'virtio'],
  ]);
  assert.equal(readOvf(vmwareOvf({ file: 'x' }).replace('other3xLinux64Guest', 'windows9_64Guest')).os, 'windows-10');
});

test('what cannot be read is refused in words', () => {
  const plain = vmwareOvf({ file: 'x' });
  const deep = `<Envelope>${'<a>'.repeat(50)}${'</a>'.repeat(50)}</Envelope>`;
  const refused: [string, RegExp][] = [['', /whole XML/], ['<a>', /whole XML/], [deep, /deeply/], ['<Envelope/>', /no machine/], [plain.replace(/(<VirtualSystem [^]*<\/VirtualSystem>)/, '$1$1'), /several/], [plain.replace('ovf:fileRef="file1"', 'ovf:parentRef="other"'), /layer/], [plain.replace('ovf:fileRef="file1"', ''), /names no file/], [plain.replace('<File ', '<File ovf:chunkSize="5" '), /pieces/]];
  for (const [text, words] of refused) assert.throws(() => readOvf(text), words, text.slice(0, 60));
});

test('sums as others write them', () => {
  const sums = [{ name: 'a.ovf', sha256: 'a'.repeat(64) }];
  assert.equal(readManifest(manifestOf(sums)), [{ name: 'a.ovf', algorithm: 'sha256', sum: 'a'.repeat(64) }]);
  assert.equal(readManifest(`SHA1 (./b c.vmdk) = ${'B'.repeat(40)}\r\nnonsense\n`), [{ name: 'b c.vmdk', algorithm: 'sha1', sum: 'b'.repeat(40) }]);
});

test.run();
