/** Starting a VM, cut at any instant and failing at any step. */
import { readFileSync } from 'node:fs';
import { test } from 'uvu';
import { mergeCloudInit } from '../../appliance/vm/cloud-init/settings.ts';
import { vmStart } from '../../appliance/vm/operations.ts';
import { checkTask, type Life } from './harness.ts';
import { begin, factsChanged, makeVm, observeSite, openVmSite, origin, type VmSite } from './vm-site.ts';
import { find, findAll } from '../world/xml.ts';

checkTask<VmSite>(test, {
  name: 'vm.start', open: (life: Life) => openVmSite(life), observe: observeSite,
  prepare: async (site) => { makeVm(site); },
  begin: (site) => begin(site, vmStart, { vm: 'web-1' }),
  undone: ({ before }) => factsChanged(before, { reason: 'start-failed', said: 'This step was made to fail.' }),
});

/** What a guest that runs finds of itself. */
function seedsOf({ host }: Life): unknown[] {
  const files = host.libvirt.domains().flatMap(({ tree }) => findAll(tree, 'devices/disk').filter((disk) => find(disk, 'readonly') && disk.attributes['device'] === 'disk').map((disk) => find(disk, 'source')?.attributes['file'] ?? ''));
  return files.map((file) => JSON.parse(readFileSync(file, 'utf8')));
}

checkTask<VmSite>(test, {
  name: 'vm.start with what cloud-init reads', open: (life: Life) => openVmSite(life),
  observe: (site, life) => ({ ...(observeSite(site, life) as object), seeds: seedsOf(life) }),
  prepare: async (site) => {
    makeVm(site);
    const { database, cloudInits, rows } = site.services;
    database.write(origin, (tx) => cloudInits.set(tx, rows.require('web-1').id, mergeCloudInit(undefined, { user: 'ada' })));
  },
  begin: (site) => begin(site, vmStart, { vm: 'web-1' }),
  undone: ({ before }) => factsChanged(before, { reason: 'start-failed', said: 'This step was made to fail.' }),
});

test.run();
