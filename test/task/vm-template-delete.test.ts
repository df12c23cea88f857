/** Deleting a template, cut at any instant and failing at any step. */
import { test } from 'uvu';
import { templateDelete } from '../../appliance/vm/template/operations.ts';
import { checkTask } from './harness.ts';
import { common, withTemplate } from './template-cases.ts';
import { begin, type VmSite } from './vm-site.ts';

// biome-ignore lint/suspicious/noExplicitAny: plain data made by `observe`
type Plain = any;

checkTask<VmSite>(test, {
  ...common, name: 'template.delete', prepare: withTemplate, begin: (site) => begin(site, templateDelete, { template: 'debian' }), hasNoUndo: true,
  // Half a deletion cannot be undone: what is left is a template that can only be deleted again.
  observe: ({ services }: VmSite) => services.templates.list(undefined).map(({ name, state }) => ({ name, state })),
  undone: ({ before }) => (before as Plain).map((row: Plain) => ({ ...row, state: 'broken' })),
});

test.run();
