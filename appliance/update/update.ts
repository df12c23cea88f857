/**
 * The update slice: the host image's two slots, signed bundles, and the way from one version to the next and back. README.md tells how
 * it hangs together with the boot loader.
 */
import { bind } from '../core/operation.ts';
import type { Problem } from '../core/problem.ts';
import type { Slice } from '../core/services.ts';
import { installTask } from './install-task.ts';
import { readKeys, type TrustedKeys } from './manifest.ts';
import { type UpdateVerbs, updateOperations } from './operations.ts';
import { createPolicyWish } from './policy.ts';
import { sweepIncoming } from './record.ts';
import type { UpdateServices } from './services.ts';
import { sourceWatch, watchSource } from './source-watch.ts';
import { watchSticks } from './sticks.ts';
import { switchTask } from './switch-task.ts';
import { tellReturn, watchTrial } from './trial.ts';

export interface UpdateDeps extends Omit<UpdateServices, 'keys'> {
  /** Folder of the keys that updates may be signed with. */
  keysPath: string;
}

export interface Update extends Slice {
  /** Why nothing may be changed now; `undefined` when it may. */
  changeFault(): Problem | undefined;
}

export function createUpdate({ keysPath, ...deps }: UpdateDeps): Update {
  let known: TrustedKeys | undefined;
  const keys = () => {
    known ??= readKeys(keysPath);
    return known;
  };
  const services: UpdateServices = { ...deps, keys };
  const trial = watchTrial(services);
  const sticks = watchSticks(services);
  const policy = createPolicyWish(deps, sourceWatch);
  const source = watchSource({ ...services, trial }, policy);
  const verbs: UpdateVerbs = { ...services, trial, sticks, policy, source };
  deps.tasks.define([installTask(services), switchTask(services)]);
  deps.reconcilers.add(trial);
  deps.reconcilers.add(sticks);
  deps.reconcilers.add(source);
  deps.reconcilers.add({ name: 'update-leftovers', periodMs: 3_600_000, run: () => sweep(services) });
  tellReturn(services);
  return { operations: bind(verbs, updateOperations), changeFault: trial.changeFault };
}

/** Bundles that no task works on: what a kill has left between an upload and its task. */
async function sweep({ tasks, statePath }: UpdateServices): Promise<void> {
  const active = tasks.list({ limit: 200, isActive: true }).filter(({ kind }) => kind === 'update.install');
  await sweepIncoming(statePath, new Set(active.map(({ input }) => (input as { bundle: string }).bundle))); // parsed when it was started
}
