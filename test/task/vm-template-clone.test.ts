/** A VM from a template, cloned, cut at any instant and failing at any step. */
import { test } from 'uvu';
import { checkTask, type Life } from './harness.ts';
import { beginVm, common, observe, withTemplate } from './template-cases.ts';
import type { VmSite } from './vm-site.ts';

/** The VM stays, with a disk that was not made and says so. */
const illegal = 'a VM with an illegal disk';
function hasIllegal({ services: { rows }, storage }: VmSite): boolean {
  const made = rows.find('made');
  return made !== undefined && storage.disks(rows.disks(made.id).map(({ diskId }) => diskId)).some(({ state }) => state !== 'ok');
}

checkTask<VmSite>(test, {
  ...common, name: 'disk.copy of a VM from a template', prepare: withTemplate, begin: (site, life) => beginVm(site, life, 'clone'), hasNoUndo: true,
  observe: async (site: VmSite, life: Life) => (hasIllegal(site) ? illegal : observe(site, life)), undone: () => illegal,
});

test.run();
