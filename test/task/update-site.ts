/** A host with the update slice for the task harness. Its health gate is content at once. */
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readTrial, writeTrial } from '../../appliance/update/record.ts';
import type { UpdateServices } from '../../appliance/update/services.ts';
import { createUpdate } from '../../appliance/update/update.ts';
import { openFoundry } from '../world/update-bundle.ts';
import { type Life, waitFor } from './harness.ts';
import { openVmSite, origin, type VmSite } from './vm-site.ts';

export interface UpdateSite extends VmSite {
  update: UpdateServices;
}

export const foundry = openFoundry();
const bundle = await foundry.make('1.1');
export const bundleName = '6b1f8c1e-2f6d-4a58-9a53-0e8a4b6f0d11';
export const url = 'https://updates.example/1.1';

export async function openUpdateSite(life: Life): Promise<UpdateSite> {
  const { core, world, host } = life;
  let update: UpdateServices | undefined;
  world.host.downloads.offer(url, bundle);
  const site = await openVmSite(life, ({ activity, host: ours, storage, vm }) => {
    const made = createUpdate({ ...core, world, activity, host: ours, storage, vms: vm, keysPath: foundry.keysPath });
    update = made.operations[0]?.services as UpdateServices; // all records of a slice share its services
    core.reconcilers.add({ name: 'test-gate', periodMs: 500, run: () => passGate(life) });
    core.tasks.resume(); // as the service does: before anything looks
  });
  if (!update || !host) throw new Error('no slice was made');
  return { ...site, update };
}

async function passGate({ core, host }: Life): Promise<void> {
  const trial = readTrial(core.statePath);
  if (!trial || trial.outcome || (await host.slots.facts()).running !== trial.to) return;
  host.slots.bless();
  await writeTrial(core.statePath, { ...trial, outcome: { result: 'committed', at: 0, reasons: [] } });
}

const filesIn = (path: string) => (existsSync(path) ? readdirSync(path).sort() : []);

export async function observeUpdate({ vm, update }: UpdateSite, { host, core, clock }: Life): Promise<unknown> {
  const isTold = () => readTrial(core.statePath)?.outcome == null || readTrial(core.statePath)?.isTold === true;
  await waitFor(clock, isTold, 'the end of the trial is told, and its files are gone');
  const { running, slots } = await host.slots.facts();
  const trial = readTrial(core.statePath);
  const folder = join(core.statePath, 'update');
  return {
    running, slots: slots.map((slot) => ({ ...slot, content: host.slots.content(slot.version) })),
    files: [filesIn(join(folder, 'incoming')), filesIn(join(folder, 'staged')), existsSync(join(folder, 'staged.new')), filesIn(join(folder, 'releases'))],
    vms: vm.all().map(({ name, state }) => ({ name, state })), isQuiet: update.tasks.list({ limit: 1, isActive: true }).length === 0,
    trial: trial && [trial.from, trial.to, trial.outcome?.result],
  };
}

export function beginUpdate(site: UpdateSite, kind: string, input: unknown): string {
  return site.services.database.write(origin, (tx) => site.update.tasks.start(tx, kind, input, []));
}

export async function layBundle({ core }: Life): Promise<void> {
  const folder = join(core.statePath, 'update/incoming');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, bundleName), bundle);
}
