/** Installing an update, cut at any instant and failing at any step. */
import { test } from 'uvu';
import { checkTask } from './harness.ts';
import { beginUpdate, bundleName, foundry, layBundle, observeUpdate, openUpdateSite, type UpdateSite, url } from './update-site.ts';

// biome-ignore lint/suspicious/noExplicitAny: plain data made by observe
type Plain = any;

/** A slot that was written stays so, and nothing starts it; the bundle has gone. */
function uninstalled({ before, after, point }: { before: Plain; after: Plain; point: { step: string; when: string } }): Plain {
  const isWritten = point.step === 'Note what it is' || (point.step === 'Write the other slot' && point.when === 'done');
  const isNoted = point.step === 'Note what it is' && point.when === 'done';
  return { ...before, slots: isWritten ? after.slots : before.slots, files: [[], [], false, isNoted ? after.files[3] : before.files[3]] };
}

checkTask<UpdateSite>(test, {
  name: 'update.install from a stick', open: openUpdateSite, observe: observeUpdate, undone: uninstalled,
  prepare: async (_site, { host }) => host?.siteSources.plugIn(undefined, { 'a.bundle': await foundry.make('1.1') }),
  begin: (site) => beginUpdate(site, 'update.install', { bundle: bundleName, url: null, stick: { file: 'a.bundle', version: '1.1' }, allowOlder: false }),
});

for (const [name, input] of [['', { bundle: bundleName, url: null, allowOlder: false }], [' from an address', { bundle: bundleName, url, allowOlder: false }]] as const) {
  checkTask<UpdateSite>(test, {
    name: `update.install${name}`, open: openUpdateSite, observe: observeUpdate, undone: uninstalled,
    prepare: async (_site, life) => { if (input.url === null) await layBundle(life); },
    begin: (site) => beginUpdate(site, 'update.install', input),
  });
}

test('close', async () => foundry.close());

test.run();
