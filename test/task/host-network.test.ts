/** Addresses on trial, cut at any instant and failing at any step: confirmed they hold, otherwise what was there before is back. */
import { test } from 'uvu';
import type { PortTaskInput } from '../../appliance/network/port-task.ts';
import { portTrialTable } from '../../appliance/network/table.ts';
import { checkTask } from './harness.ts';
import { openVmSite, origin, type VmSite } from './vm-site.ts';

const settings = { method: 'static' as const, address: '10.1.2.3/24', gateway: null, dns: [] };

checkTask<VmSite>(test, {
  name: 'host-network.set', open: openVmSite,
  begin: ({ services }) => services.database.write(origin, (tx) => {
    const input: PortTaskInput = { port: 'eno1', settings, before: null, confirmBy: 'person', confirmMs: 60_000 };
    const id = services.tasks.start(tx, 'host-network.set', input, []);
    tx.sql.insert(portTrialTable).values({ taskId: id, confirmedAt: 0 }).run();
    return id;
  }),
  observe: async (_site, { host }) => ({ settings: await host.hostNetwork.settings(), nics: (await host.machine.facts()).nics }),
});
test.run();
