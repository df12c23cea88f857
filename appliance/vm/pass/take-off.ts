/** Taking devices of the host off a guest that runs: one whose time is over, and all before the guest's memory is written to a file, which cannot hold them. */
import { Problem } from '../../core/problem.ts';
import { HypervisorError } from '../../world.ts';
import { deviceAlias } from '../definition/device-xml.ts';
import { find, findAll, parseXml, printXml } from '../definition/xml.ts';
import { lookAt } from '../domain.ts';
import type { VmServices } from '../services.ts';

/** As libvirt knows it; a device that is on its way out, or gone, is as good. */
export async function takeOffOne({ hypervisor }: Pick<VmServices, 'hypervisor'>, vmId: string, wish: string): Promise<void> {
  const live = findAll(parseXml(await hypervisor.domainXml(vmId)), 'devices', 'hostdev').find((each) => find(each, 'alias')?.attributes.name === deviceAlias(wish));
  if (!live) return;
  await hypervisor.detachDevice(vmId, printXml(live)).catch((error: unknown) => {
    if (!(error instanceof HypervisorError && /already in the process of unplug|device not found/.test(error.message))) throw error;
  });
}

const patienceMs = 30_000;
const pollMs = 250;

/** They are given again by themselves when the guest runs and nothing holds that up. */
export async function takeOffAll(services: VmServices, vmId: string, signal: AbortSignal): Promise<void> {
  const { clock } = services;
  for (const startedAt = clock.now(); ; await clock.sleep(pollMs, signal)) {
    const wishes = Object.keys((await lookAt(services, vmId))?.hostDevices ?? {});
    if (wishes.length === 0) return;
    if (clock.now() - startedAt > patienceMs) throw new Problem('unavailable', 'The guest has not let a device of the host go. Take that away from it, or shut it down.');
    for (const wish of wishes) await takeOffOne(services, vmId, wish);
  }
}
