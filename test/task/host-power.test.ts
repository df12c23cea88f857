/** Shutting the host down, cut at any instant and failing at any step: the VMs come back whenever the machine stays. */
import { test } from 'uvu';
import type { PowerInput } from '../../appliance/host/power-task.ts';
import { vmStart } from '../../appliance/vm/operations.ts';
import { checkTask, type Life } from './harness.ts';
import { carryOut, makeVm, observeSite, openVmSite, origin, type VmSite } from './vm-site.ts';

const names = ['web-1', 'web-2'];

async function prepare(site: VmSite, life: Life): Promise<void> {
  for (const [index, name] of names.entries()) {
    makeVm(site, { name, nics: [{ network: 'default', mac: `52:54:00:00:00:0${index}` }] });
    await carryOut(site, life, vmStart, { vm: name });
  }
}

/** Two that start at once may do so in any order. */
function observe(site: VmSite, life: Life) {
  const seen = observeSite(site, life) as { domains: { name: string }[] };
  return { ...seen, domains: seen.domains.sort((left, right) => left.name.localeCompare(right.name)), asked: life.host.power.asked };
}

/** As the operation starts it; the harness has no time to wait for the boot's id. */
const begin = (bootId: () => string) => ({ services }: VmSite): string => services.database.write(origin, (tx) => {
  const input: PowerInput = { host: 'this', hostName: 'shop-7', bootId: bootId(), askedAt: services.clock.now(), deadlineMs: 300_000 };
  return services.tasks.start(tx, 'host.shutdown', input, []);
});

let bootId = '';
checkTask<VmSite>(test, {
  name: 'host.shutdown', open: openVmSite, observe,
  async prepare(site, life) {
    await prepare(site, life);
    bootId = await life.world.power.bootId();
  },
  begin: begin(() => bootId),
  // Once the machine has gone there is nothing left to undo.
  undone: ({ before, after, point }) => (point.step === 'Hand over to the system' && point.when === 'done' ? after : before),
});
test.run();
