/**
 * libvirt as the World's hypervisor: typed, with a deadline on every call, and without policy.
 *
 * States: `disconnected` until the first connection stands, then `connected`; the shim reconnects by itself and
 * each change is a `connection` event. While disconnected every call rejects at once with kind `disconnected`; calls made
 * before the first attempt has an outcome wait for it. Only real-world.ts and tests construct it.
 */
import type { Clock } from '../appliance/core/clock.ts';
import type { DomainStats, Hypervisor, HypervisorEvent, Network } from '../appliance/world.ts';
import { type Channel, openChannel } from './channel.ts';
import { loadShim } from './ffi.ts';
import { HypervisorError } from './hypervisor-error.ts';
import { toEvent } from './libvirt-events.ts';
import { hostArch, machineFor, type RawStats, toDomainFact, toDomainStats, toFacts } from './libvirt-facts.ts';
import { toGuestInfo } from './libvirt-guest-info.ts';
import { layersXml } from './libvirt-layers.ts';
import { nameDiskError } from './libvirt-names.ts';
import { toNodeDevice } from './libvirt-node-devices.ts';

/** For what libvirtd answers without asking QEMU, and for the bulk read-out. */
const fastTimeoutMs = 30_000;
/** For what needs QEMU or the guest. */
const slowTimeoutMs = 120_000;
/** For a guest that goes through all of a large file system. */
const trimTimeoutMs = 1_800_000;
/** For all of a guest's memory to or from a slow disk. */
const memoryTimeoutMs = 7_200_000;
/** How long a read-out of statistics may be held up before a second one is sent past the hung QEMU. */
const statsPatienceMs = 5_000;

/** Connects to libvirt at `uri` through the shim at `library` (libbothy.so). Returns at once; throws if the shim cannot be loaded. */
export function connectLibvirt(options: { uri: string; library: string; clock: Clock }): Hypervisor {
  const listeners = new Set<(event: HypervisorEvent) => void>();
  let connection: ReturnType<Hypervisor['connection']> = { state: 'disconnected', message: `Connecting to libvirtd at ${options.uri}.` };

  const channel = openChannel({
    shim: loadShim(options.library),
    uri: options.uri,
    clock: options.clock,
    onEvent: (raw) => {
      const event = toEvent(raw);
      if (event?.type === 'connection') connection = { state: event.state, message: event.message };
      if (event) for (const listener of listeners) listener(event);
    },
  });

  return {
    connection: () => connection,
    ...readOperations(channel, options.clock),
    ...powerOperations(channel),
    ...deviceOperations(channel),
    ...layerOperations(channel),
    ...memoryOperations(channel),
    onEvent(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    async close() {
      connection = { state: 'disconnected', message: 'The connection to the hypervisor is closed.' };
      await channel.close();
    },
  };
}

type Read = Pick<Hypervisor, 'facts' | 'domains' | 'stats' | 'domainXml' | 'networks' | 'nodeDevices' | 'ensureNetwork' | 'removeNetwork'>;

// The answers' types below are what libvirt-*.c writes for each operation.
function readOperations(channel: Channel, clock: Clock): Read {
  const ask = async <T>(operation: string, ...args: string[]): Promise<T> => (await channel.call(operation, args, fastTimeoutMs)) as T;
  return {
    async facts() {
      const versions = await ask<{ libvirt: number; hypervisor: number }>('hypervisor-versions');
      const capabilities = await ask<string>('capabilities');
      const arch = hostArch(capabilities);
      const domainCapabilities = await ask<string>('domain-capabilities', arch, machineFor(arch));
      return toFacts({ versions, capabilities, domainCapabilities });
    },
    domains: async () => (await ask<RawStats[]>('domains')).map(toDomainFact),
    async stats() {
      const all = await firstAnswer(() => ask<RawStats[]>('stats'), clock);
      return all.map(toDomainStats).filter((stats): stats is DomainStats => stats !== undefined);
    },
    domainXml: (uuid) => ask('domain-xml', uuid),
    networks: () => ask<Network[]>('networks'),
    nodeDevices: async () => (await ask<string[] | null>('node-devices'))?.flatMap((xml) => toNodeDevice(xml) ?? []) ?? null,
    async ensureNetwork(name, xml) {
      await channel.call('ensure-network', [name, xml], slowTimeoutMs);
    },
    async removeNetwork(name) {
      await channel.call('remove-network', [name], slowTimeoutMs);
    },
  };
}

/**
 * A QEMU that has hung holds up the first read-out that meets it, but is skipped by every later one, because libvirt
 * then knows it to be busy. So when an answer is late, asks again and takes whichever comes first.
 */
async function firstAnswer<T>(ask: () => Promise<T>, clock: Clock): Promise<T> {
  const isSettled = new AbortController();
  const first = ask().finally(() => isSettled.abort());
  const second = clock.sleep(statsPatienceMs, isSettled.signal).then(ask);
  try {
    return await Promise.any([first, second]);
  } catch (error) {
    throw error instanceof AggregateError ? error.errors[0] : error;
  }
}

type Power = Pick<Hypervisor, 'create' | 'forgetTpm' | 'shutdown' | 'destroy' | 'reboot' | 'reset' | 'suspend' | 'resume'>;

function powerOperations(channel: Channel): Power {
  const act = (operation: string) => async (uuid: string) => {
    await channel.call(operation, [uuid], slowTimeoutMs);
  };
  return {
    async create(xml, options) {
      await channel.call('create', [xml, options?.paused ? 'paused' : 'running'], slowTimeoutMs).catch(asExists);
    },
    async forgetTpm(uuid) {
      await channel.call('forget-tpm', [tpmOnlyXml(uuid)], slowTimeoutMs);
    },
    shutdown: act('shutdown'),
    destroy: act('destroy'),
    reboot: act('reboot'),
    reset: act('reset'),
    suspend: act('suspend'),
    resume: act('resume'),
  };
}

/** `uuid` is from our own rows. */
const tpmOnlyXml = (uuid: string) => `<domain type='qemu'><name>tpm-of-${uuid}</name><uuid>${uuid}</uuid><memory>1024</memory><os><type arch='x86_64' machine='q35'>hvm</type></os>
  <devices><tpm model='tpm-crb'><backend type='emulator' version='2.0' persistent_state='yes'/></tpm></devices></domain>`;

/** libvirt has no code of its own for a UUID or name in use: "domain is already active as", "already exists with uuid". */
function asExists(error: unknown): never {
  const isInUse = error instanceof HypervisorError && /already (active|exists|defined)/.test(error.message);
  throw isInUse ? new HypervisorError(error.message, error.code, 'exists') : error;
}

type Devices = Pick<Hypervisor, 'attachDevice' | 'detachDevice' | 'updateDevice' | 'resizeBlock' | 'setBlockLimits' | 'setVcpus' | 'setMemory' | 'diskErrors' | 'screenshot' | 'sendKeys' | 'agentCommand' | 'guestInfo' | 'setGuestTime' | 'trimGuest'>;

function deviceOperations(channel: Channel): Devices {
  const change = (operation: string) => async (uuid: string, xml: string) => {
    await channel.call(operation, [uuid, xml], slowTimeoutMs);
  };
  return {
    attachDevice: change('attach-device'),
    detachDevice: change('detach-device'),
    updateDevice: change('update-device'),
    async resizeBlock(uuid, target, sizeBytes) {
      await channel.call('resize-block', [uuid, target, BigInt(sizeBytes).toString()], slowTimeoutMs);
    },
    async setBlockLimits(uuid, target, { readBytesPerSecond, writeBytesPerSecond, readsPerSecond, writesPerSecond }) {
      const limits = [readBytesPerSecond, writeBytesPerSecond, readsPerSecond, writesPerSecond].map((limit) => limit ?? 0);
      await channel.call('set-block-limits', [uuid, target, limits.join(' ')], slowTimeoutMs);
    },
    async setVcpus(uuid, count) {
      await channel.call('set-vcpus', [uuid, String(count)], slowTimeoutMs);
    },
    async setMemory(uuid, bytes) {
      await channel.call('set-memory', [uuid, BigInt(Math.floor(bytes / 1024)).toString()], slowTimeoutMs);
    },
    async diskErrors(uuid) {
      const errors = (await channel.call('disk-errors', [uuid], slowTimeoutMs)) as Record<string, number>;
      return Object.fromEntries(Object.entries(errors).map(([target, error]) => [target, nameDiskError(error)]));
    },
    async screenshot(uuid) {
      return Buffer.from((await channel.call('screenshot', [uuid], slowTimeoutMs)) as string, 'base64');
    },
    async sendKeys(uuid, codes) {
      await channel.call('send-keys', [uuid, codes.join(' ')], slowTimeoutMs);
    },
    guestInfo: async (uuid) => toGuestInfo((await channel.call('guest-info', [uuid], slowTimeoutMs)) as Record<string, unknown>),
    async setGuestTime(uuid, at) {
      await channel.call('set-guest-time', [uuid, String(Math.floor(at / 1000)), String((at % 1000) * 1_000_000)], slowTimeoutMs);
    },
    async trimGuest(uuid) {
      await channel.call('trim-guest', [uuid], trimTimeoutMs);
    },
    async agentCommand(uuid, command, timeoutMs) {
      const seconds = Math.max(1, Math.ceil(timeoutMs / 1000));
      const answer = await channel.call('agent-command', [uuid, command, String(seconds)], timeoutMs + 5_000);
      return JSON.parse(answer as string);
    },
  };
}

type LayerCalls = Pick<Hypervisor, 'stackLayers' | 'mergeLayer' | 'mergeProgress' | 'endMerge'>;

function layerOperations(channel: Channel): LayerCalls {
  return {
    async stackLayers(uuid, layers, { isQuiet, memoryPath }) {
      const live = (await channel.call('domain-xml', [uuid], fastTimeoutMs)) as string;
      const how = memoryPath !== undefined ? 'memory' : isQuiet ? 'quiesce' : 'plain';
      await channel.call('stack-layers', [uuid, layersXml(live, layers, memoryPath), how], memoryPath === undefined ? slowTimeoutMs : memoryTimeoutMs);
    },
    async mergeLayer(uuid, target, { top, base, isTopmost }) {
      await channel.call('merge-layer', [uuid, target, top, base, isTopmost ? 'active' : 'below'], slowTimeoutMs);
    },
    async mergeProgress(uuid, target) {
      const info = (await channel.call('block-job', [uuid, target], slowTimeoutMs)) as { done: number; total: number } | null;
      return info && { doneBytes: info.done, totalBytes: info.total };
    },
    async endMerge(uuid, target, how) {
      await channel.call('end-block-job', [uuid, target, how], slowTimeoutMs);
    },
  };
}

type MemoryCalls = Pick<Hypervisor, 'saveMemory' | 'abortSave' | 'savedXml' | 'restoreMemory'>;

function memoryOperations(channel: Channel): MemoryCalls {
  return {
    async saveMemory(uuid, path) {
      await channel.call('save-memory', [uuid, path], memoryTimeoutMs);
    },
    async abortSave(uuid) {
      await channel.call('abort-save', [uuid], fastTimeoutMs);
    },
    savedXml: async (path) => (await channel.call('saved-xml', [path], slowTimeoutMs)) as string,
    async restoreMemory(uuid, path, xml) {
      await channel.call('restore-memory', [uuid, path, xml], memoryTimeoutMs).catch(asExists);
    },
  };
}
