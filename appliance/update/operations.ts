/** The verbs of this slice: see what is installed, install, switch, go back. */
import { rename } from 'node:fs/promises';
import * as z from 'zod';
import { newId } from '../core/id.ts';
import { type Call, read, startTask, stream } from '../core/operation.ts';
import { Problem } from '../core/problem.ts';
import type { SlotFact, SlotFacts } from '../world.ts';
import { activeTask, beginInstall, beginSwitch, type Plan, planSwitch, requireIdle, requireSlots } from './begin.ts';
import { isStaged, mostBundleBytes } from './install-task.ts';
import { type PolicyVerbs, policyOperations } from './policy-operations.ts';
import { incomingPath, makeIncoming, readRelease, readTrial } from './record.ts';
import { hasFallback, rollbackTarget, switchTarget } from './rules.ts';
import { GateOutput, InstallInput, RollbackInput, StickInput, SwitchInput, UpdateOutput, UploadInput, UploadState } from './schema.ts';
import type { UpdateServices } from './services.ts';
import { type CarriedUpdate, carriedFault, chooseCarried, type StickWatch } from './sticks.ts';
import { missingNow, type TrialWatch } from './trial.ts';

export interface UpdateVerbs extends PolicyVerbs {
  trial: Pick<TrialWatch, 'current'>;
  sticks: Pick<StickWatch, 'updates'>;
}

const bundleTarget = 'update/bundle';

// ------------------------------------------------------------------------------------------------ looking

async function showUpdate(services: UpdateVerbs): Promise<z.input<typeof UpdateOutput>> {
  const { world, keys, trial } = services;
  const facts = await world.slots.facts();
  const onTrial = trial.current();
  const next = switchTarget(facts, { isRetry: false });
  return {
    isSupported: facts.lack === '', reason: facts.lack, running: facts.running,
    slots: await Promise.all(facts.slots.map((slot) => showSlot(services, slot))),
    onSticks: services.sticks.updates().map((update) => showCarried(update, facts)),
    next: next && (next.state === 'trying' || (await isStaged(services, next.version))) ? next.version : null,
    previous: rollbackTarget(facts)?.version ?? null,
    rollbackLosesChanges: losesChanges(services, facts),
    task: activeTask(services) ?? null,
    isOnTrial: onTrial !== undefined, missing: onTrial ? await missingNow(services, onTrial) : [],
    last: lastSwitch(services), keys: [...keys().keys()],
  };
}

function showCarried(update: CarriedUpdate, facts: SlotFacts) {
  const { source, name, sizeBytes, manifest } = update;
  return {
    source, file: name, sizeBytes, version: manifest?.version ?? null, createdAt: manifest ? Date.parse(manifest.created) : null,
    fault: carriedFault(update, facts, false) ?? null,
  };
}

async function showSlot({ statePath }: UpdateServices, { version, state, isRunning }: SlotFact) {
  const release = await readRelease(statePath, version);
  const created = release === undefined ? Number.NaN : Date.parse((JSON.parse(release) as { created?: string }).created ?? ''); // verified when it was kept
  const states = { written: 'installed', trying: 'trying', good: 'spare', bad: 'bad' } as const;
  return { version, state: isRunning ? 'running' as const : states[state], createdAt: Number.isNaN(created) ? null : created };
}

function lastSwitch({ statePath }: UpdateServices): z.input<typeof UpdateOutput>['last'] {
  const trial = readTrial(statePath);
  if (!trial) return null;
  const { from, to, at, outcome } = trial;
  return { from, to, at, result: outcome?.result ?? 'pending', endedAt: outcome?.at ?? null, reasons: outcome?.reasons ?? [] };
}

/** Known of the version that was switched from last: it has written down its schema. */
function losesChanges({ statePath, database }: UpdateServices, facts: SlotFacts): boolean {
  const trial = readTrial(statePath);
  return trial !== undefined && trial.from === rollbackTarget(facts)?.version && trial.schema < database.schema;
}

export const updateGet = read<UpdateVerbs>()({
  id: 'update.get', method: 'GET', path: '/update', permission: 'update.read',
  summary: 'Show what is installed, what can be switched to, and how the last switch ended',
  input: z.object({}), output: UpdateOutput,
  run: (services) => showUpdate(services),
});

/** What `bothy health-gate` asks until nothing is missing or its time is up. */
export const updateGate = read<UpdateVerbs>()({
  id: 'update.gate', method: 'GET', path: '/update/gate', permission: 'local.root',
  summary: 'Show what a version on trial still lacks',
  input: z.object({}), output: GateOutput,
  async run(services) {
    const facts = await services.world.slots.facts();
    const trial = services.trial.current();
    return {
      isOnTrial: trial !== undefined, hasFallback: hasFallback(facts, readTrial(services.statePath)),
      missing: await missingNow(services, trial ?? { expected: { domains: [], vms: [], nics: [] } }),
    };
  },
});

// ------------------------------------------------------------------------------------------------ installing

/** Looks like the beginning of a bundle; what it is worth is seen when it is whole. */
const headFault = (head: Uint8Array) => (Buffer.from(head.buffer, head.byteOffset, Math.min(head.length, 14)).toString('latin1').startsWith('manifest.json\0')
  ? { isOk: true as const } : { isOk: false as const, reason: 'This is not an update of the appliance. Choose a file whose name ends with .bundle.' });

async function receiveBundle(services: UpdateVerbs, { call, request, allowOlder }: { call: Call; request: Request; allowOlder: boolean }): Promise<Response> {
  const { statePath, storage, tasks, world } = services;
  requireSlots(await world.slots.facts());
  requireIdle(services);
  const bundle = newId<'bundle'>();
  return storage.receiveFile(call, request, {
    target: bundleTarget, limitBytes: mostBundleBytes, limitAdvice: 'No update is that large.', check: headFault,
    async take(path) {
      makeIncoming(statePath);
      await rename(path, incomingPath(statePath, bundle));
    },
    taken(tx) {
      const id = tasks.start(tx, 'update.install', { bundle, url: null, allowOlder }, []);
      return () => Response.json({ id, kind: 'update.install', state: 'pending' }, { status: 202, headers: { location: `/api/v1/tasks/${id}` } });
    },
  });
}

export const updateUpload = stream<UpdateVerbs>()({
  id: 'update.upload', method: 'PUT', path: '/update/bundle', permission: 'update.install',
  summary: 'Upload an update, or go on with an upload; the whole one is installed',
  input: UploadInput, requestType: 'application/octet-stream', responseType: 'application/json',
  run: (services, call, { allowOlder }, request) => receiveBundle(services, { call, request, allowOlder }),
});

export const updateUploadGet = read<UpdateVerbs>()({
  id: 'update.upload-state', method: 'GET', path: '/update/bundle', permission: 'update.read',
  summary: 'Show where the upload of an update stands',
  input: z.object({}), output: UploadState,
  run({ storage }) {
    const upload = storage.fileUpload(bundleTarget);
    if (!upload) throw new Problem('not-found', 'There is no upload under way. Start one with its first byte.');
    return upload;
  },
});

export const updateUploadCancel = startTask<UpdateVerbs>()({
  id: 'update.cancel-upload', method: 'DELETE', path: '/update/bundle', permission: 'update.install',
  summary: 'Cancel the upload of an update',
  input: z.object({}),
  run: ({ storage }, tx) => storage.cancelFileUpload(tx, bundleTarget),
});

export const updateInstall = startTask<UpdateVerbs>()({
  id: 'update.install', method: 'POST', path: '/update/install', permission: 'update.install',
  summary: 'Fetch an update from an address and install it in the other slot',
  input: InstallInput,
  prepare: async ({ world }) => requireSlots(await world.slots.facts()),
  run(services, tx, { url, allowOlder }) {
    return beginInstall(services, tx, { url, allowOlder });
  },
});

/** Judged before anything is copied; when it is here, once more. */
export const updateInstallFromStick = startTask<UpdateVerbs>()({
  id: 'update.install-from-stick', method: 'POST', path: '/update/install-from-stick', permission: 'update.install',
  summary: 'Install an update from a plugged in stick in the other slot',
  input: StickInput,
  async prepare({ world, sticks }, _call, { version, allowOlder }) {
    const facts = await world.slots.facts();
    requireSlots(facts);
    const chosen = chooseCarried(sticks.updates(), version);
    const fault = carriedFault(chosen, facts, allowOlder);
    if (fault !== undefined) throw new Problem('wrong-state', fault);
    return chosen.name;
  },
  run(services, tx, { version, allowOlder }, file: string) {
    return beginInstall(services, tx, { url: null, stick: { file, version }, allowOlder });
  },
});

// ------------------------------------------------------------------------------------------------ switching

export const updateSwitch = startTask<UpdateVerbs>()({
  id: 'update.switch', method: 'POST', path: '/update/switch', permission: 'update.install',
  summary: 'Restart into the installed version; the host returns if that is not well',
  input: SwitchInput,
  prepare: (services, _call, { retry }) => planSwitch(services, (facts) => switchTarget(facts, { isRetry: retry }), 'Nothing is installed that could be switched to. Install an update first.'),
  run: (services, tx, { shutdownSeconds, cutOff }, planned: Plan) => beginSwitch(services, tx, planned, { shutdownSeconds, cutOff, acceptsLoss: false }),
});

export const updateRollback = startTask<UpdateVerbs>()({
  id: 'update.rollback', method: 'POST', path: '/update/rollback', permission: 'update.install',
  summary: 'Restart the host into the version that ran before',
  input: RollbackInput,
  prepare: (services) => planSwitch(services, rollbackTarget, 'There is no version to go back to: the other slot holds none that has come up well.'),
  run(services, tx, { shutdownSeconds, acceptLoss, cutOff }, planned: Plan) {
    if (losesChanges(services, planned.facts) && !acceptLoss) {
      throw new Problem('precondition-failed', `Version ${planned.target.version} cannot read the records of this one. It would go back to its own, of the time when it last ran: what was changed since then would be lost. Accept that to go on.`);
    }
    return beginSwitch(services, tx, planned, { shutdownSeconds, cutOff, acceptsLoss: acceptLoss });
  },
});

export const updateOperations = [updateGet, updateGate, updateUpload, updateUploadGet, updateUploadCancel, updateInstall, updateInstallFromStick, updateSwitch, updateRollback, ...policyOperations];
