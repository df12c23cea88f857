/** Making a template of a VM that is down, cut at any instant and failing at any step. */
import { test } from 'uvu';
import { templateCreate } from '../../appliance/vm/template/operations.ts';
import { checkTask } from './harness.ts';
import { common, vm, withVm } from './template-cases.ts';
import { begin, type VmSite } from './vm-site.ts';

checkTask<VmSite>(test, { ...common, name: 'template.create of a VM', prepare: withVm, begin: (site) => begin(site, templateCreate, { vm, name: 'debian' }) });

test.run();
