/**
 * The trial of a version: what is there now, what the record says must be there, and how it ends.
 *
 * While a version is on trial and has brought the database to a schema that the old one cannot read, the appliance takes no changes: should
 * the trial fail, the old version goes back to the copy of its database, and what was acknowledged meanwhile would be lost.
 */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Origin } from '../core/db.ts';
import { Problem } from '../core/problem.ts';
import type { Reconciler } from '../core/reconciler.ts';
import { stagedFiles } from './install-task.ts';
import { readTrial, type Trial, writeTrial } from './record.ts';
import { type Expectation, missingOf, type Sight } from './rules.ts';
import type { UpdateServices } from './services.ts';

const origin: Origin = { actor: 'system', operation: 'update.settle' };

/** What has to be there again after a switch that begins now. */
export async function lookForExpectation(services: UpdateServices): Promise<Expectation> {
  const seen = await look(services);
  return {
    domains: services.storage.domains().filter(({ isActive }) => isActive).map(({ id, name }) => ({ id, name })),
    vms: services.vms.all().filter(({ state }) => ['powering-up', 'up', 'paused', 'suspended', 'unknown'].includes(state)).map(({ id, name, autostart, state }) => ({ id, name, isRequired: autostart && state === 'up' })),
    nics: seen.nics,
  };
}

async function look({ world, host, storage, vms }: UpdateServices): Promise<Sight> {
  const [health, facts] = await Promise.all([host.health(), world.machine.facts()]);
  const troubles = [
    ...(health.isDatabaseWritable ? [] : ['The database of the appliance cannot be written.']),
    ...(health.isHypervisorConnected ? [] : [`libvirt does not answer: ${world.hypervisor.connection().message}`]),
  ];
  const nics = facts.nics.filter(({ name }) => !/^virbr/.test(name)).map(({ name, addresses }) => ({ name, hasAddress: addresses.some((address) => !/^(169\.254\.|fe80:)/i.test(address)) }));
  return { isHealthy: troubles.length === 0, troubles, domains: storage.domains(), vms: vms.all(), nics };
}

/** What the version that runs still lacks by the record of the switch to it. */
export async function missingNow(services: UpdateServices, { expected }: Pick<Trial, 'expected'>): Promise<string[]> {
  return missingOf(expected, await look(services));
}

export interface TrialWatch extends Reconciler {
  /** Why nothing may be changed now; `undefined` when it may. */
  changeFault(): Problem | undefined;
  /** The trial of the version that runs, while it lasts. */
  current(): Trial | undefined;
}

/**
 * Follows the record of the last switch. `running` is known after the first round; until then a switch that has not ended counts as a
 * trial of ours, so that no change slips in before.
 */
export function watchTrial(services: UpdateServices): TrialWatch {
  const { statePath, world, clock, database } = services;
  let running: string | undefined;
  let isOver = readTrial(statePath)?.outcome !== null;

  const current = () => {
    if (isOver) return undefined;
    const trial = readTrial(statePath);
    isOver = !trial || trial.outcome !== null || (running !== undefined && running !== trial.to);
    return isOver ? undefined : trial;
  };
  return {
    name: 'update', periodMs: 10_000, current,
    changeFault() {
      const trial = current();
      if (!trial || running === trial.from || trial.schema === database.schema) return undefined;
      return new Problem('unavailable', `Version ${trial.to} is proving itself after the switch and takes no changes yet. Try again in a few minutes.`, { retryAfterSeconds: 30 });
    },
    async run() {
      running = (await world.slots.facts()).running;
      const bootId = await world.power.bootId();
      const trial = readTrial(statePath);
      if (!trial || trial.isTold) return;
      if (trial.outcome === null && running === trial.to) {
        isOver = false;
        return;
      }
      // Until the boot loader was told and the host has restarted, the task is still at work on it.
      if (trial.outcome === null && (trial.armedIn === null || trial.armedIn === bootId)) return;
      const ended: Trial = { ...trial, outcome: trial.outcome ?? { result: 'failed', at: clock.now(), reasons: [silentEnd(trial, running)] } };
      tell(services, ended);
      // Its kernel lies in the boot menu now; the next update brings its own.
      if (ended.outcome?.result === 'committed') await rm(join(world.slots.stagingPath, stagedFiles(trial.to).kernel), { force: true });
      await writeTrial(statePath, { ...ended, isTold: true });
    },
  };
}

const silentEnd = ({ to }: Trial, running: string) => `Version ${to} did not come up far enough to say why; the boot loader returned to ${running}. The journal of its starts may tell more.`;

function tell({ database, activity, journal, host }: UpdateServices, { from, to, outcome }: Trial): void {
  database.write(origin, (tx) => {
    if (outcome?.result === 'committed') activity.event(tx, { severity: 'info', code: 'update.committed', message: `The appliance has been switched from version ${from} to ${to} and everything came up well.`, about: [] });
    else {
      activity.event(tx, {
        severity: 'error', code: 'update.failed', message: `Version ${to} did not come up well, so the appliance is back at version ${from}. ${(outcome?.reasons ?? []).join(' ')}`.trim(),
        nextStep: 'Remove the cause and try the switch again, or install a newer version.', about: [],
      });
    }
    journal.observed(tx, { kind: 'update', id: host.id, what: 'updated' });
  });
}

/** A database that went back is told by the version that took the copy. */
export function tellReturn({ database, activity }: Pick<UpdateServices, 'database' | 'activity'>): void {
  const { returnedTo } = database;
  if (returnedTo === undefined) return;
  database.write(origin, (tx) => activity.event(tx, {
    severity: 'warning', code: 'update.records-returned', about: [],
    message: `The records of the appliance are those of ${new Date(returnedTo).toISOString().slice(0, 16).replace('T', ' ')} UTC: the newer version has changed them in a way that this one cannot read.`,
    nextStep: 'What the newer version wrote is kept beside them as bothy.db.newer-*, and is used no more.',
  }));
}
