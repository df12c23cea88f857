/** A disk of a pool's VM becomes as it was, cut at any instant and failing at any step: what it shows, and every file. */
import { test } from 'uvu';
import { checkTask, settle, type Life } from './harness.ts';
import { guestWrites } from './snapshot-site.ts';
import { common, observe, withTemplate } from './template-cases.ts';
import { origin, perform, type VmSite } from './vm-site.ts';
import { templateVm } from '../../appliance/vm/template/operations.ts';
import { simulatedWrite } from '../world/guest-disk.ts';

const illegal = 'a disk that holds nothing of use';
const diskOf = (site: VmSite) => site.storage.requireDisk('made-disk1');

checkTask<VmSite>(test, {
  ...common, name: 'disk.reset', undone: () => illegal,
  async prepare(site, life) {
    await withTemplate(site, life);
    perform(site, templateVm, { template: 'debian', name: 'made' });
    await settle(life);
    await guestWrites(site, { vm: 'made', disk: 0, block: 3, value: 9, write: simulatedWrite });
  },
  begin(site, life) {
    site.services.database.write(origin, (tx) => site.storage.resetDisk(tx, diskOf(site).id));
    return life.core.tasks.list({ limit: 1, isActive: true })[0]?.id ?? '';
  },
  observe: async (site: VmSite, life: Life) => (diskOf(site).state === 'illegal' ? illegal : observe(site, life)),
});

test.run();
