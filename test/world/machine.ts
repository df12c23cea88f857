/** The simulated `Machine`: a small server with one cable and one bridge, whose load swings gently with the clock. */
import type { Clock } from '../../appliance/core/clock.ts';
import { GiB, MiB } from '../../appliance/core/units.ts';
import type { Machine, MachineFacts, MemoryNode } from '../../appliance/world.ts';

import { createSimulatedDevices } from './host-devices.ts';

export interface SimulatedMachine extends Machine {
  /** Changes what the machine is made of; a look at it tells the rest. */
  change(facts: Partial<MachineFacts>): void;
  /** The memory nodes that it has from now on. */
  setNodes(nodes: MemoryNode[]): void;
  /** The share of its memory that is in use from now on, whatever the hour. */
  useMemory(fraction: number): void;
  /** It starts anew: its uptime and counters begin at nothing. */
  restart(): void;
  /** Makes every look fail, as when /proc cannot be read; `undefined` ends it. */
  setFault(fault: Error | undefined): void;
}

const smallServer: MachineFacts = {
  hostname: 'shop-7', os: 'Debian GNU/Linux 12', kernel: '6.1.0-18-amd64', manufacturer: 'Supermicro', model: 'SYS-E300', serial: 'S123456',
  cpu: { brand: 'AMD EPYC 3251', sockets: 1, cores: 8, threads: 16, virtualization: 'svm' },
  memoryBytes: 64 * GiB, isKvmLoaded: true,
  nics: [
    { name: 'eno1', mac: '3c:ec:ef:00:00:01', speedMbps: 1000, isUp: true, isBridge: false, addresses: [] },
    { name: 'eno2', mac: '3c:ec:ef:00:00:02', speedMbps: 0, isUp: false, isBridge: false, addresses: [] },
    { name: 'br0', mac: '3c:ec:ef:00:00:01', speedMbps: 1000, isUp: true, isBridge: true, addresses: ['192.168.10.5/24'] },
  ],
  routes: ['192.168.10.0/24'],
  disks: [{ name: 'nvme0n1', model: 'Micron 7450', sizeBytes: 960 * 1000 ** 3, kind: 'NVMe' }],
};

const swingMs = 600_000;

export function createSimulatedMachine(clock: Clock, changes: Partial<MachineFacts> = {}, devices = createSimulatedDevices()): SimulatedMachine {
  let facts = { ...smallServer, ...changes };
  let nodes: MemoryNode[] = [{ id: 0, cpus: '0-15', memoryBytes: facts.memoryBytes, pages: [{ sizeBytes: 2 * MiB, total: 0, free: 0 }, { sizeBytes: GiB, total: 0, free: 0 }] }];
  let fault: Error | undefined;
  let memoryFraction: number | undefined;
  let bootedAt = clock.now() - 86_400_000;
  return {
    change: (more) => { facts = { ...facts, ...more }; },
    setNodes: (wanted) => { nodes = wanted; },
    memoryNodes: async () => structuredClone(nodes),
    useMemory: (fraction) => { memoryFraction = fraction; },
    restart: () => { bootedAt = clock.now(); },
    setFault: (error) => { fault = error; },
    async facts() {
      if (fault) throw fault;
      return structuredClone(facts);
    },
    deviceTraits: async () => structuredClone(devices.traits()),
    async load() {
      if (fault) throw fault;
      const uptimeSeconds = (clock.now() - bootedAt) / 1000;
      const swing = Math.sin(((clock.now() % swingMs) / swingMs) * 2 * Math.PI);
      return {
        cpuFraction: 0.35 + 0.2 * swing, memoryUsedBytes: Math.round(facts.memoryBytes * (memoryFraction ?? 0.5 + 0.05 * swing)), memoryTotalBytes: facts.memoryBytes,
        uptimeSeconds, receivedBytes: Math.round(uptimeSeconds * 40_000), sentBytes: Math.round(uptimeSeconds * 25_000),
      };
    },
  };
}
