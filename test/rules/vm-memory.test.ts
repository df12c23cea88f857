/** How a VM's memory lies in that of its host: nodes are even and whole, pages are asked for only where the host has them, and libvirt is told so. */
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { GiB, MiB } from '../../appliance/core/units.ts';
import { faultsOf, type Hardware, plainHardware } from '../../appliance/vm/definition/hardware.ts';
import { memoryPlaceXml } from '../../appliance/vm/definition/hardware-xml.ts';
import { type HostNode, hostLacks, memoryCells } from '../../appliance/vm/definition/memory.ts';
import { printXml } from '../../appliance/vm/definition/xml.ts';

const vm = { ...plainHardware, name: 'web', vcpus: 4, memoryBytes: GiB };
const faults = (changes: Partial<Hardware> & { vcpus?: number; memoryBytes?: number }) => faultsOf({ ...vm, firmware: 'bios', buses: [], ...changes }).map(({ path }) => path);
const node = (id: number, free: number, total = free, memoryBytes = 8 * GiB): HostNode => ({ id, memoryBytes, pages: [{ sizeBytes: 2 * MiB, total, free }, { sizeBytes: GiB, total: 0, free: 0 }] });

test('nodes of a guest hold all of its processors and memory, once and evenly', () => {
  fc.assert(fc.property(fc.integer({ min: 1, max: 8 }), fc.integer({ min: 1, max: 8 }), fc.integer({ min: 1, max: 64 }), (numaNodes, each, mib) => {
    const size = { vcpus: numaNodes * each, memoryBytes: numaNodes * mib * MiB };
    if (faults({ numaNodes, ...size }).includes('numaNodes')) assert.unreachable('an even size is refused');
    const cells = memoryCells({ ...vm, numaNodes, ...size }, [0]);
    assert.equal(cells.flatMap(({ firstVcpu, lastVcpu }) => Array.from({ length: lastVcpu - firstVcpu + 1 }, (_none, index) => firstVcpu + index)), Array.from({ length: size.vcpus }, (_none, index) => index));
    assert.is(cells.reduce((sum, { memoryBytes }) => sum + memoryBytes, 0), size.memoryBytes);
    assert.is(new Set(cells.map(({ memoryBytes }) => memoryBytes)).size, 1);
  }));
});

test('what cannot be spread evenly, or does not go with huge pages, is refused at its field', () => {
  assert.equal(faults({ numaNodes: 3 }), ['numaNodes', 'numaNodes']);
  assert.equal(faults({ numaNodes: 2, memoryBytes: 65 * MiB }), ['numaNodes']);
  assert.equal(faults({ numaNodes: 8, maxVcpus: 8 }), [], 'those that can come belong to nodes, too');
  assert.equal(faults({ hugePages: '2M', memoryBytes: 65 * MiB }), ['hugePages']);
  assert.equal(faults({ hugePages: '2M', numaNodes: 2, memoryBytes: 66 * MiB }), ['hugePages']);
  assert.equal(faults({ hugePages: '2M', guaranteedBytes: GiB / 2 }), ['guaranteedBytes']);
  assert.equal(faults({ hugePages: '1G', maxMemoryBytes: 2 * GiB }), ['maxMemoryBytes']);
  assert.equal(faults({ hugePages: '2M', numaNodes: 2 }), []);
});

test('a host without the pages or the room on a node is told of, with figures', () => {
  const huge = { ...vm, hugePages: '2M' } as const;
  assert.match(hostLacks(huge, [node(0, 0)]), /web needs 512 huge pages of 2 MiB; this host has 0 free of 0\./);
  assert.match(hostLacks(huge, [node(0, 511, 600)]), /has 511 free of 600/);
  assert.is(hostLacks(huge, [node(0, 300), node(1, 212)]), '', 'wherever they lie');
  assert.match(hostLacks({ ...huge, numaBinding: 'strict' }, [node(0, 300), node(1, 212)]), /has 300 free of 300\. .* memory node 0\./);
  assert.is(hostLacks({ ...huge, numaBinding: 'strict', numaNodes: 2 }, [node(0, 256), node(1, 256)]), '');
  assert.match(hostLacks({ ...vm, numaBinding: 'strict', memoryBytes: 9 * GiB }, [node(0, 0), node(1, 0)]), /memory node 0 of this host is smaller/);
  assert.is(hostLacks({ ...vm, numaBinding: 'preferred', memoryBytes: 9 * GiB }, [node(0, 0), node(1, 0)]), '');
  assert.match(hostLacks({ ...vm, hugePages: '1G' }, [node(0, 600)]), /1 huge pages of 1 GiB; this host has 0 free of 0/);
});

test('libvirt is told of pages, and which node of the host each node of the guest keeps to', () => {
  const paths = { serialSocket: '', serialLog: '', serialSockets: '', channelSockets: '', nvram: '', secureNvram: '' };
  const told = (hardware: Partial<Hardware>, hostNodes = [0, 2]) =>
    memoryPlaceXml({ id: '', name: '', vcpus: 4, memoryBytes: GiB, firmware: 'bios', accelerator: 'kvm', cpuDefault: 'auto', bootOrder: [], disks: [], nics: [], cdrom: { path: null, machine: 'q35' }, floppyPath: null, paths, hostNodes, hardware: { ...plainHardware, ...hardware } })
      .flatMap((element) => (element ? [printXml(element).replace(/\n\s*/g, '')] : []));
  assert.equal(told({}), []);
  assert.equal(told({ hugePages: '2M' }), ['<memoryBacking><hugepages><page size="2097152" unit="b"/></hugepages></memoryBacking>']);
  assert.equal(told({ numaNodes: 4, numaBinding: 'strict' }), [`<numatune>${[0, 2, 0, 2].map((host, cell) => `<memnode cellid="${cell}" mode="strict" nodeset="${host}"/>`).join('')}</numatune>`]);
  assert.equal(told({ numaBinding: 'preferred' }), ['<numatune><memnode cellid="0" mode="preferred" nodeset="0"/></numatune>']);
  assert.equal(told({ numaNodes: 2 }), []);
});

test.run();
