/** The state of the appliance in few words: what `bothy status` and the screen of the box show. */
import * as z from 'zod';
import { read } from '../core/operation.ts';
import { certificateFacts } from './certificate.ts';
import type { Certificates } from './certificates.ts';
import { type HostServices, requireThis, stateOf } from './operations.ts';
import { leavingTask } from './power-task.ts';
import { isLinkLocal, judgeStatus, urlsOf } from './rules.ts';
import { HostRef, HostStatusOutput } from './schema.ts';

export interface StatusServices extends HostServices {
  /** Where the service listens. */
  listen: { host: string; port: number };
  isSecure: boolean;
  certificates: Certificates;
  isDatabaseWritable(): boolean;
}

export const hostStatus = read<StatusServices>()({
  id: 'host.status', method: 'GET', path: '/hosts/{host}/status', permission: 'host.read',
  summary: 'Show in few words how a host is, its addresses and versions',
  input: z.object({ host: HostRef }), output: HostStatusOutput,
  async run(services, _call, { host }) {
    const facts = await services.machine.facts();
    requireThis(services, facts, host);
    const { hostId, version, tasks, listen, isSecure, certificates } = services;
    const served = isSecure ? certificates.current() : undefined;
    const known = services.hypervisorFacts();
    return {
      id: hostId, name: facts.hostname,
      ...judgeStatus(services.troubles(), { isDatabaseWritable: services.isDatabaseWritable(), reason: stateOf(services.world).reason }),
      versions: { bothy: version, os: facts.os, kernel: facts.kernel, libvirt: known?.libvirtVersion ?? '', qemu: known?.hypervisorVersion ?? '' },
      watchdog: services.watching(), lastEnd: services.lastEnd() ?? null,
      urls: urlsOf(listen, isSecure, facts.nics),
      fingerprint: served ? certificateFacts(served.chain).fingerprint : null,
      ports: facts.nics.map(({ addresses, ...port }) => ({ ...port, addresses: addresses.map((address) => ({ address, isLinkLocal: isLinkLocal(address) })) })),
      leaving: leavingTask(tasks, hostId, await services.world.power.bootId())?.id ?? null,
    };
  },
});
