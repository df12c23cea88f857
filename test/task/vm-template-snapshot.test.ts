/** Making a template of a snapshot, cut at any instant and failing at any step. */
import { test } from 'uvu';
import { templateCreate } from '../../appliance/vm/template/operations.ts';
import { checkTask } from './harness.ts';
import { common, vm, withVm } from './template-cases.ts';
import { begin, type VmSite } from './vm-site.ts';

checkTask<VmSite>(test, { ...common, name: 'template.create of a snapshot', prepare: withVm, begin: (site) => begin(site, templateCreate, { vm, snapshot: 'early', name: 'debian' }) });

test.run();
