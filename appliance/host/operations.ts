/** The verbs of this slice: look at the host and its load. */
import * as z from 'zod';
import type { EventRow } from '../activity/events.ts';
import { questionOf } from '../activity/sample-query.ts';
import type { Samples } from '../activity/samples.ts';
import { read } from '../core/operation.ts';
import { Problem } from '../core/problem.ts';
import type { Core } from '../core/services.ts';
import type { HypervisorFacts, Machine, MachineFacts, World } from '../world.ts';
import type { LastEnd } from './boots.ts';
import type { LoadHistory } from './load.ts';
import type { Watching } from './watchdog.ts';
import type { Acceleration, WantedAccelerator } from './rules.ts';
import { HostHistoryInput, HostHistoryOutput, HostOutput, HostRef, LoadInput, LoadOutput } from './schema.ts';

export interface HostServices extends Core {
  hostId: string;
  version: string;
  accel: WantedAccelerator;
  world: World;
  machine: Machine;
  history: LoadHistory;
  samples: Samples;
  /** What libvirt told when it was last connected. */
  hypervisorFacts(): HypervisorFacts | undefined;
  acceleration(): Promise<Acceleration>;
  troubles(): EventRow[];
  watching(): Watching;
  /** How the boot before this one ended, where that is known. */
  lastEnd(): LastEnd | undefined;
}

async function showHost(services: HostServices): Promise<z.input<typeof HostOutput>> {
  const facts = await services.machine.facts();
  const { accelerator, reason } = await services.acceleration();
  const known = services.hypervisorFacts();
  const { os, kernel, manufacturer, model, serial, memoryBytes, nics, disks } = facts;
  return {
    id: services.hostId, name: facts.hostname, version: services.version, ...stateOf(services.world),
    os, kernel, manufacturer, model, serial, memoryBytes, nics, disks, memoryNodes: await services.machine.memoryNodes(),
    cpu: { ...facts.cpu, model: known?.cpuModel ?? '', vendor: known?.cpuVendor ?? '' },
    hypervisor: showHypervisor(services.world, known),
    acceleration: { wanted: services.accel, accelerator, reason },
    watchdog: services.watching(), lastEnd: services.lastEnd() ?? null,
    warnings: services.troubles().map(({ code, severity, message, nextStep, at }) => ({ code, severity, message, nextStep, at })),
    reconcilers: services.reconcilers.status().map(({ name, isRunning, rounds, failuresInARow, lastEndedAt, lastError }) => ({
      name, isRunning, rounds, failuresInARow, lastEndedAt: lastEndedAt ?? null, lastError: lastError ?? null,
    })),
  };
}

export function stateOf({ hypervisor }: World): Pick<z.input<typeof HostOutput>, 'state' | 'reason'> {
  const { state, message } = hypervisor.connection();
  return state === 'connected' ? { state: 'up', reason: '' } : { state: 'non-operational', reason: `libvirt does not answer: ${message}` };
}

function showHypervisor({ hypervisor }: World, known: HypervisorFacts | undefined): z.input<typeof HostOutput>['hypervisor'] {
  return {
    ...hypervisor.connection(), libvirtVersion: known?.libvirtVersion ?? '', qemuVersion: known?.hypervisorVersion ?? '',
    architecture: known?.arch ?? '', firmware: known?.firmware ?? [],
  };
}

export function requireThis({ hostId }: Pick<HostServices, 'hostId'>, { hostname }: Pick<MachineFacts, 'hostname'>, host: string): void {
  if (host !== 'this' && host !== hostId && host !== hostname) throw new Problem('not-found', `There is no host "${host}". This one is called "${hostname}".`);
}

export const hostList = read<HostServices>()({
  id: 'host.list', method: 'GET', path: '/hosts', permission: 'host.read',
  summary: 'List hosts',
  input: z.object({}), output: z.object({ items: z.array(HostOutput), next: z.null() }),
  run: async (services) => ({ items: [await showHost(services)], next: null }),
});

export const hostGet = read<HostServices>()({
  id: 'host.get', method: 'GET', path: '/hosts/{host}', permission: 'host.read',
  summary: 'Show a host: what it is made of, how it accelerates VMs, what is wrong',
  input: z.object({ host: HostRef }), output: HostOutput,
  async run(services, _call, { host }) {
    requireThis(services, await services.machine.facts(), host);
    return showHost(services);
  },
});

export const hostLoad = read<HostServices>()({
  id: 'host.load', method: 'GET', path: '/hosts/{host}/load', permission: 'host.read',
  summary: 'Show the load of the last hour, one sample every five seconds',
  input: LoadInput, output: LoadOutput,
  async run(services, _call, { host, since }) {
    requireThis(services, await services.machine.facts(), host);
    return { items: services.history.since(since), next: null };
  },
});

export const hostHistory = read<HostServices>()({
  id: 'host.history', method: 'GET', path: '/hosts/{host}/history', permission: 'host.read',
  summary: 'Show what a host has used, over hours or years',
  input: HostHistoryInput, output: HostHistoryOutput,
  async run(services, _call, { host, ...input }) {
    requireThis(services, await services.machine.facts(), host);
    return services.samples.read({ kind: 'host', id: services.hostId, ...questionOf(input, services.clock.now()) });
  },
});

export const hostOperations = [hostList, hostGet, hostLoad, hostHistory];
