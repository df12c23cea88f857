/**
 * The cable of a network interface is plugged in elsewhere while its guest runs: the same cases on the simulated hypervisor and on real
 * libvirt and QEMU in a rack host, whose bridges tell where the guest's port is.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { systemClock } from '../../appliance/core/clock.ts';
import { type NicSource, withCable } from '../../appliance/vm/definition/device-xml.ts';
import { findAll, parseXml, printXml } from '../../appliance/vm/definition/xml.ts';
import type { Hypervisor } from '../../appliance/world.ts';
import { real } from '../real/count.ts';
import { guestXml, openNativeHost, refusal, uuidOf } from '../real/native-host.ts';
import { createSimulatedHypervisor } from '../world/hypervisor.ts';
import { createSimulatedLibvirt } from '../world/libvirt.ts';
import * as tree from '../world/xml.ts';

interface Parts {
  name: string;
  hypervisor: Hypervisor;
  /** The bridge that the guest's port is on. */
  bridgeOf(guest: number): Promise<string>;
  close(): Promise<void>;
  count(): void;
}

const portOf = (xml: string) => tree.find(tree.parseXml(xml), 'devices/interface');

function createSimulatedParts(): Parts {
  const libvirt = createSimulatedLibvirt({ clock: systemClock });
  const hypervisor = createSimulatedHypervisor(libvirt);
  return {
    name: 'simulated', hypervisor, close: async () => {}, count: () => {},
    async bridgeOf(guest) {
      const nic = portOf(await hypervisor.domainXml(uuidOf(guest)));
      const { network = '', bridge = '' } = (nic && tree.find(nic, 'source')?.attributes) ?? {};
      return nic?.attributes['type'] === 'network' ? (libvirt.networks.get(network)?.bridge ?? '') : bridge;
    },
  };
}

async function createRealParts(): Promise<Parts> {
  const { host, libvirt: hypervisor, close } = await openNativeHost({ network: true });
  await host.must(['ip', 'link', 'add', 'br9', 'type', 'bridge']);
  await host.must(['ip', 'link', 'set', 'br9', 'up']);
  return {
    name: 'libvirt', hypervisor, close, count: () => real('libvirt'),
    async bridgeOf(guest) {
      const nic = portOf(await hypervisor.domainXml(uuidOf(guest)));
      const port = (nic && tree.find(nic, 'target')?.attributes['dev']) ?? 'none';
      return /master (\S+)/.exec(await host.must(['ip', '-o', 'link', 'show', port]))?.[1] ?? '';
    },
  };
}

const lab = '<network><name>lab</name><forward mode="nat"/><bridge name="virbr7"/><ip address="192.168.187.1" netmask="255.255.255.0"/></network>';
const nic = `<interface type='network'><mac address='52:54:00:00:00:01'/><source network='default'/><model type='virtio'/><alias name='ua-one'/></interface>`;

function defineCases({ name, hypervisor, ...parts }: Parts): void {
  const test = suite(`cables of a guest that runs, ${name}`);
  const move = async (change: { isLinked: boolean; source: NicSource }, model?: string) => {
    const [live] = findAll(parseXml(await hypervisor.domainXml(uuidOf(1))), 'devices', 'interface');
    assert.ok(live);
    const xml = printXml(withCable(live, change));
    await hypervisor.updateDevice(uuidOf(1), model === undefined ? xml : xml.replace(/<model [^>]*>/, `<model type="${model}"/>`));
  };
  test.before(async () => {
    await hypervisor.ensureNetwork('lab', lab);
    await hypervisor.create(guestXml(1, { devices: nic }));
  });
  test.after.each(() => parts.count());
  test.after(async () => {
    await hypervisor.destroy(uuidOf(1));
    await hypervisor.close();
    await parts.close();
  });

  test('from one network of libvirt to another, to a bridge of the host, and back', async () => {
    assert.is(await parts.bridgeOf(1), 'virbr0');
    for (const [source, bridge] of [[{ kind: 'nat', name: 'lab' }, 'virbr7'], [{ kind: 'bridge', name: 'br9' }, 'br9'], [{ kind: 'nat', name: 'default' }, 'virbr0']] as const) {
      await move({ isLinked: true, source });
      assert.is(await parts.bridgeOf(1), bridge);
    }
  });

  test('pulled out and plugged in elsewhere at once', async () => {
    await move({ isLinked: false, source: { kind: 'nat', name: 'lab' } });
    const live = portOf(await hypervisor.domainXml(uuidOf(1)));
    assert.equal([live && tree.find(live, 'link')?.attributes['state'], await parts.bridgeOf(1)], ['down', 'virbr7']);
  });

  test('a network that is not there is refused, and so is another model; the cable stays where it is', async () => {
    await move({ isLinked: true, source: { kind: 'nat', name: 'lab' } });
    assert.match((await refusal(move({ isLinked: true, source: { kind: 'nat', name: 'none' } }))).message, /Network not found: no network with matching name 'none'/);
    assert.match((await refusal(move({ isLinked: true, source: { kind: 'nat', name: 'lab' } }, 'e1000'))).message, /cannot modify network device model from virtio to e1000/);
    assert.is(await parts.bridgeOf(1), 'virbr7');
  });

  test.run();
}

const allParts = [createSimulatedParts(), await createRealParts()];
for (const parts of allParts) defineCases(parts);
