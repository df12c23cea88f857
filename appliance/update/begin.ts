/** How an installation and a switch begin, whoever asks: a person, or the appliance by its policy. What stands against it is a Problem. */
import { newId } from '../core/id.ts';
import type { Tx } from '../core/db.ts';
import { Problem } from '../core/problem.ts';
import type { SlotFact, SlotFacts } from '../world.ts';
import { type InstallTaskInput, isStaged } from './install-task.ts';
import type { Expectation } from './rules.ts';
import type { UpdateServices } from './services.ts';
import type { SwitchTaskInput } from './switch-task.ts';
import { lookForExpectation, type TrialWatch } from './trial.ts';

export function activeTask({ tasks }: UpdateServices): string | undefined {
  return tasks.list({ limit: 50, isActive: true }).find(({ kind }) => kind.startsWith('update.'))?.id;
}

export function requireIdle(services: UpdateServices): void {
  if (activeTask(services) !== undefined) throw new Problem('in-use', 'An update is being installed or switched to right now. Wait until its task ends.');
}

export function requireSlots({ lack }: SlotFacts): void {
  if (lack) throw new Problem('unavailable', lack);
}

export interface Plan {
  facts: SlotFacts;
  target: SlotFact;
  expected: Expectation;
  bootId: string;
  hostName: string;
}

export async function planSwitch(services: SwitchServices, choose: (facts: SlotFacts) => SlotFact | undefined, otherwise: string): Promise<Plan> {
  const facts = await services.world.slots.facts();
  requireSlots(facts);
  const target = choose(facts);
  if (!target || (target.state === 'written' && !(await isStaged(services, target.version)))) throw new Problem('wrong-state', otherwise);
  const { power, machine } = services.world;
  return { facts, target, expected: await lookForExpectation(services), bootId: await power.bootId(), hostName: (await machine.facts()).hostname };
}

export interface Terms {
  shutdownSeconds: number;
  acceptsLoss: boolean;
  cutOff: boolean;
}

export type SwitchServices = UpdateServices & { trial: Pick<TrialWatch, 'current'> };

/** VMs that libvirt does not show cannot be shut down; to cut them off is for people to decide. */
function requireSight({ vms, world }: SwitchServices): void {
  const unseen = vms.all().filter(({ state }) => state === 'unknown');
  if (unseen.length === 0 && world.hypervisor.connection().state === 'connected') return;
  const names = unseen.slice(0, 5).map(({ name }) => `"${name}"`).join(', ');
  throw new Problem('precondition-failed', `libvirt does not answer, so no virtual machine can be shut down${names ? `: ${names} may run` : ''}. Wait until it answers again, or say that what runs may be cut off by the restart, as by a power cut.`);
}

/** No other task may cross to the other version: it may know other steps. */
export function beginSwitch(services: SwitchServices, tx: Tx, { facts, target, expected, bootId, hostName }: Plan, { shutdownSeconds, acceptsLoss, cutOff }: Terms): string {
  if (!cutOff) requireSight(services);
  requireIdle(services);
  if (services.trial.current()) throw new Problem('wrong-state', `Version ${facts.running} is still proving itself. Wait until that is decided.`);
  const [other] = services.tasks.list({ limit: 1, isActive: true });
  if (other) throw new Problem('in-use', `A task is at work: ${other.kind}${other.about[0] ? ` on ${other.about[0].name}` : ''}. Wait until all tasks have ended, or cancel them.`);
  const input: SwitchTaskInput = { from: facts.running, to: target.version, at: services.clock.now(), acceptsLoss, cutsOff: cutOff, bootId, shutdownMs: shutdownSeconds * 1_000, expected };
  return services.tasks.start(tx, 'update.switch', input, [{ kind: 'host', id: services.host.id, name: hostName }]);
}

/** Gives the task. */
export function beginInstall(services: UpdateServices, tx: Tx, input: Pick<InstallTaskInput, 'url' | 'allowOlder'> & Partial<Pick<InstallTaskInput, 'stick'>>): string {
  requireIdle(services);
  return services.tasks.start(tx, 'update.install', { bundle: newId<'bundle'>(), ...input }, []);
}
