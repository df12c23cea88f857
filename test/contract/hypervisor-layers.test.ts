/**
 * Layers under a running guest: the same cases on the simulated hypervisor with its image tool and on libvirt, QEMU and qemu-img. What each layer
 * holds was written before the guest starts; it has no system and writes nothing itself.
 */
import { chmodSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createQemuImg } from '../../appliance/storage/qemu-img.ts';
import { diskXml } from '../../appliance/vm/definition/device-xml.ts';
import { plainDisk } from '../../appliance/vm/definition/hardware.ts';
import { restoredXml } from '../../appliance/vm/memory/restored-xml.ts';
import { chainOfDisk } from '../../appliance/vm/snapshot/live-chain.ts';
import { printXml } from '../../appliance/vm/definition/xml.ts';
import type { Hypervisor, HypervisorEvent, ImageSource, ImageTool } from '../../appliance/world.ts';
import { systemClock } from '../../appliance/core/clock.ts';
import { real } from '../real/count.ts';
import { guestXml, openNativeHost, refusal, uuidOf, waitForEvent } from '../real/native-host.ts';
import { hashOf } from '../task/snapshot-site.ts';
import { createSimulatedDisk } from '../world/disk-space.ts';
import { type GuestWrite, qemuIoWrite, simulatedWrite } from '../world/guest-disk.ts';
import { createSimulatedHypervisor } from '../world/hypervisor.ts';
import { createSimulatedImageTool } from '../world/image-tool.ts';
import { createSimulatedLibvirt } from '../world/libvirt.ts';

interface Parts {
  name: string;
  hypervisor: Hypervisor;
  events: HypervisorEvent[];
  folder: string;
  imageTool: ImageTool;
  write: GuestWrite;
  close(): Promise<void>;
  count(): void;
}

function createSimulatedParts(): Parts {
  const folder = mkdtempSync(join(tmpdir(), 'bothy-contract-'));
  const hypervisor = createSimulatedHypervisor(createSimulatedLibvirt({ clock: systemClock }));
  const events: HypervisorEvent[] = [];
  hypervisor.onEvent((event) => events.push(event));
  return {
    name: 'simulated', hypervisor, events, folder, imageTool: createSimulatedImageTool(createSimulatedDisk()), write: simulatedWrite,
    close: async () => rmSync(folder, { recursive: true }), count: () => {},
  };
}

async function createRealParts(): Promise<Parts> {
  const { host, libvirt: hypervisor, events, close } = await openNativeHost();
  return { name: 'libvirt', hypervisor, events, folder: host.scratch, imageTool: createQemuImg(), write: qemuIoWrite, close, count: () => real('libvirt', 'qemu', 'qemu-img') };
}

const MiB = 2 ** 20;
const block = 65536;
const ports = [1, 2].map((index) => `<controller type='pci' index='${index}' model='pcie-root-port'/>`).join('');
const signal = new AbortController().signal;

function defineCases({ hypervisor, events, folder, imageTool, write, ...parts }: Parts): void {
  const test = suite(`layers of a running guest, ${parts.name}`);
  const file = (name: string) => join(folder, name);
  /** A raw base and layers on it; each writes its number over its own block and over block 0. */
  const makeChain = async (name: string, count: number): Promise<ImageSource> => {
    let image: ImageSource = { path: file(`${name}-0`), format: 'raw' };
    await imageTool.create(image.path, { format: 'raw', sizeBytes: MiB, preallocated: false, signal });
    for (let number = 0; number <= count; number++) {
      if (number > 0) image = await makeLayer(`${name}-${number}`, image);
      await write(image, 0, block, number + 1);
      await write(image, number * block, block, number + 1);
    }
    return image;
  };
  const makeLayer = async (name: string, below: ImageSource): Promise<ImageSource> => {
    const path = file(name);
    await imageTool.createLayer(path, { sizeBytes: MiB, below: { name: 'below', format: below.format as 'raw' }, signal });
    chmodSync(path, 0o666);
    return { path, format: 'qcow2', below };
  };
  const start = async (number: number, images: ImageSource[]) => {
    const devices = images.map((image, slot) => printXml(diskXml({ ...plainDisk, id: `disk-${slot}`, slot, machine: 'q35', ...image }))).join('');
    await hypervisor.create(guestXml(number, { devices: ports + devices }));
    return uuidOf(number);
  };
  const chain = async (uuid: string, disk = 0) => chainOfDisk(await hypervisor.domainXml(uuid), `disk-${disk}`)?.layers.map((path) => path.slice(folder.length + 1));
  const isReady = async (uuid: string) => chainOfDisk(await hypervisor.domainXml(uuid), 'disk-0')?.merge?.isReady;
  const job = (uuid: string, status: string) => waitForEvent(events, 'block-job', (event) => event.uuid === uuid && event.status === status);
  const chainSource = (layers: string[]): ImageSource => layers.reduceRight<ImageSource | undefined>((below, path) => ({ path: file(path), format: below ? 'qcow2' : 'raw', ...(below && { below }) }), undefined) as ImageSource;
  const endAll = async () => void await Promise.all((await hypervisor.domains()).map(({ uuid }) => hypervisor.destroy(uuid)));

  test.before.each(() => { events.length = 0; });
  test.after.each(async () => {
    await endAll();
    parts.count();
  });
  test.after(async () => {
    await hypervisor.close();
    await parts.close();
  });

  test('new layers go on all disks that are named, while the guest runs or is paused', async () => {
    const [one, two] = [await makeChain('a', 1), await makeChain('b', 0)];
    const uuid = await start(1, [one, two]);
    const top = await makeLayer('a-2', one);
    await hypervisor.stackLayers(uuid, { vda: top.path }, { isQuiet: false });
    assert.equal([await chain(uuid), await chain(uuid, 1)], [['a-2', 'a-1', 'a-0'], ['b-0']]);
    await hypervisor.suspend(uuid);
    const next = [await makeLayer('a-3', top), await makeLayer('b-1', two)];
    await hypervisor.stackLayers(uuid, { vda: next[0]?.path ?? '', vdb: next[1]?.path ?? '' }, { isQuiet: false });
    assert.equal([await chain(uuid), await chain(uuid, 1)], [['a-3', 'a-2', 'a-1', 'a-0'], ['b-1', 'b-0']]);
    assert.equal((await hypervisor.domains()).map(({ state, reason }) => `${state} ${reason}`), ['paused user']);
  });

  test('with the memory of that instant: held meanwhile, then on as before; what was kept goes on over other layers', async () => {
    const one = await makeChain('m', 0);
    const uuid = await start(7, [one]);
    const path = file('m.save');
    const seen = new Set<string>();
    const standing = async () => (await hypervisor.domains()).map(({ state, reason }) => `${state} ${reason}`).join();
    const changes = () => events.flatMap((event) => (event.type === 'lifecycle' && event.uuid === uuid ? [`${event.event} ${event.detail}`] : []));
    const top = await makeLayer('m-1', one);
    events.length = 0;
    let isDone = false;
    const looking = (async () => { while (!isDone) { seen.add(await standing()); await systemClock.sleep(5); } })();
    await hypervisor.stackLayers(uuid, { vda: top.path }, { isQuiet: false, memoryPath: path });
    isDone = true;
    await looking;
    await waitForEvent(events, 'lifecycle', (event) => event.uuid === uuid && event.event === 'resumed');
    assert.equal([changes(), await chain(uuid), await standing()], [['suspended paused', 'resumed unpaused'], ['m-1', 'm-0'], 'running unpaused']);
    assert.equal([...seen].filter((each) => !each.startsWith('running') && each !== 'paused snapshot'), []);
    await hypervisor.suspend(uuid);
    const next = await makeLayer('m-2', top);
    await hypervisor.stackLayers(uuid, { vda: next.path }, { isQuiet: false, memoryPath: file('m-2.save') });
    assert.equal([await chain(uuid), (await standing()).split(' ')[0]], [['m-2', 'm-1', 'm-0'], 'paused']);
    await hypervisor.destroy(uuid);
    const other = await makeLayer('m-3', one);
    await hypervisor.restoreMemory(uuid, path, restoredXml(await hypervisor.savedXml(path), [{ ...plainDisk, id: 'disk-0', slot: 0, machine: 'q35', ...other }], undefined));
    assert.equal([await chain(uuid), await standing()], [['m-3', 'm-0'], 'paused migration']);
    await hypervisor.resume(uuid);
    assert.is(await standing(), 'running unpaused');
  });

  test('a layer that cannot be opened leaves the guest as it was, and no memory', async () => {
    const one = await makeChain('n', 0);
    const uuid = await start(8, [one]);
    await refusal(hypervisor.stackLayers(uuid, { vda: file('missing') }, { isQuiet: false, memoryPath: file('n.save') }));
    assert.equal([await chain(uuid), (await hypervisor.domains())[0]?.state, existsSync(file('n.save'))], [['n-0'], 'running', false]);
  });

  test('all or none', async () => {
    const [one, two] = [await makeChain('c', 0), await makeChain('d', 0)];
    const uuid = await start(2, [one, two]);
    const top = await makeLayer('c-1', one);
    await refusal(hypervisor.stackLayers(uuid, { vda: top.path, vdb: file('missing') }, { isQuiet: false }));
    await refusal(hypervisor.stackLayers(uuid, { vda: top.path }, { isQuiet: true })); // no agent
    assert.equal([await chain(uuid), await chain(uuid, 1)], [['c-0'], ['d-0']]);
    await hypervisor.stackLayers(uuid, { vda: top.path }, { isQuiet: false });
    assert.equal(await chain(uuid), ['c-1', 'c-0']);
  });

  test('a guest without an agent is not stilled, and libvirt says so', async () => {
    const uuid = await start(3, [await makeChain('e', 0)]);
    const error = await refusal(hypervisor.stackLayers(uuid, { vda: (await makeLayer('e-1', { path: file('e-0'), format: 'raw' })).path }, { isQuiet: true }));
    assert.is(error.kind, 'other', error.message);
    assert.equal(await chain(uuid), ['e-0']);
    assert.equal((await hypervisor.domains()).map(({ state }) => state), ['running']);
  });

  test('a layer below the top is merged into the one below it', async () => {
    const image = await makeChain('f', 3);
    const before = await hashOf(imageTool, image);
    const uuid = await start(4, [image]);
    await hypervisor.mergeLayer(uuid, 'vda', { top: file('f-2'), base: file('f-1'), isTopmost: false });
    await job(uuid, 'completed');
    assert.equal(await chain(uuid), ['f-3', 'f-1', 'f-0']);
    assert.is(await hypervisor.mergeProgress(uuid, 'vda'), null);
    await endAll();
    assert.is(await hashOf(imageTool, chainSource(['f-3', 'f-1', 'f-0'])), before);
    assert.is(await hashOf(imageTool, image), before, 'what was merged away shows the same');
  });

  test('the topmost layer is merged, and the guest changes over to the lower one when it is told', async () => {
    const image = await makeChain('g', 2);
    const before = await hashOf(imageTool, image);
    const uuid = await start(5, [image]);
    await hypervisor.mergeLayer(uuid, 'vda', { top: file('g-2'), base: file('g-1'), isTopmost: true });
    await job(uuid, 'ready');
    assert.equal([await chain(uuid), await isReady(uuid)], [['g-2', 'g-1', 'g-0'], true]);
    assert.ok(await hypervisor.mergeProgress(uuid, 'vda'));
    const twice = await refusal(hypervisor.mergeLayer(uuid, 'vda', { top: file('g-2'), base: file('g-1'), isTopmost: true }));
    assert.is(twice.kind, 'other', twice.message);
    await hypervisor.suspend(uuid);
    await hypervisor.endMerge(uuid, 'vda', 'pivot');
    assert.equal([await chain(uuid), await isReady(uuid)], [['g-1', 'g-0'], undefined]);
    await job(uuid, 'completed');
    await hypervisor.resume(uuid);
    await endAll();
    assert.is(await hashOf(imageTool, chainSource(['g-1', 'g-0'])), before);
  });

  test('the topmost layer goes into a raw disk', async () => {
    const image = await makeChain('h', 1);
    const before = await hashOf(imageTool, image);
    const uuid = await start(6, [image]);
    await hypervisor.mergeLayer(uuid, 'vda', { top: file('h-1'), base: file('h-0'), isTopmost: true });
    await job(uuid, 'ready');
    await hypervisor.endMerge(uuid, 'vda', 'pivot');
    assert.equal(await chain(uuid), ['h-0']);
    await endAll();
    assert.is(await hashOf(imageTool, chainSource(['h-0'])), before);
  });

  test('a merge that is cancelled, and one whose QEMU dies, change nothing that is seen', async () => {
    const image = await makeChain('i', 2);
    const before = await hashOf(imageTool, image);
    const uuid = await start(7, [image]);
    await hypervisor.mergeLayer(uuid, 'vda', { top: file('i-2'), base: file('i-1'), isTopmost: true });
    await job(uuid, 'ready');
    await hypervisor.endMerge(uuid, 'vda', 'cancel');
    assert.equal([await chain(uuid), await hypervisor.mergeProgress(uuid, 'vda')], [['i-2', 'i-1', 'i-0'], null]);
    const none = await refusal(hypervisor.endMerge(uuid, 'vda', 'pivot'));
    assert.equal([none.kind, none.code, none.message], ['other', 8, 'invalid argument: disk vda does not have an active block job']);
    await hypervisor.mergeLayer(uuid, 'vda', { top: file('i-2'), base: file('i-1'), isTopmost: true });
    await endAll();
    assert.is(await hashOf(imageTool, image), before);
  });

  test('what lies in no chain cannot be merged', async () => {
    const uuid = await start(8, [await makeChain('j', 1)]);
    const error = await refusal(hypervisor.mergeLayer(uuid, 'vda', { top: file('j-1'), base: file('nowhere'), isTopmost: true }));
    assert.equal([error.kind, error.code], ['other', 8], error.message);
    assert.equal(await chain(uuid), ['j-1', 'j-0']);
  });

  test.run();
}

defineCases(createSimulatedParts());
defineCases(await createRealParts());
