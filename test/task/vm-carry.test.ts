/** Machines that leave as a file and come from one, cut at any instant and failing at any step. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { test } from 'uvu';
import { ovaImport, vmExport } from '../../appliance/vm/carry/operations.ts';
import { type CarriedLook, lookAtOva } from '../../appliance/vm/carry/look.ts';
import { checkTask, type Life, settle } from './harness.ts';
import { common, observe, vm, withTemplate, withVm } from './template-cases.ts';
import { perform, type VmSite } from './vm-site.ts';

const name = 'out.ova';
const MiB = 2 ** 20;

/** All that lies in the ISO domain, half-made files included. */
function files({ storage }: VmSite): unknown {
  const domain = storage.domains().find((each) => each.name === 'isos')?.id ?? '';
  const folder = dirname(storage.carried.paths(domain, domain).file);
  return readdirSync(folder).sort().map((each) => {
    const bytes = readFileSync(`${folder}/${each}`);
    // The time in its headers is another one in each play.
    const disks = [...bytes.toString('latin1').matchAll(/SHA256\(.*vmdk\)= [0-9a-f]{64}/g)].map(([line]) => line);
    return [each, bytes.length, disks];
  });
}

const seen = { ...common, observe: async (site: VmSite, life: Life) => ({ ...((await observe(site, life)) as object), files: files(site) }) };
const exporting = (site: VmSite) => String(perform(site, vmExport, { vm, name }, [MiB, MiB]));

checkTask<VmSite>(test, { ...seen, name: 'vm.export', prepare: withVm, begin: exporting });

let found: CarriedLook;

checkTask<VmSite>(test, {
  ...seen, name: 'vm.import',
  async prepare(site, life) {
    await withTemplate(site, life); // and with it a VM with one disk
    exporting(site);
    await settle(life);
    const file = site.storage.carried.open('isos', name);
    found = await lookAtOva(site.storage.carried, file.path, life.signal);
    file.leave();
  },
  begin: (site) => String(perform(site, ovaImport, { domain: 'isos', name, vm: 'twin' }, found)),
});

test.run();
