/**
 * Applying a site file: a task with one step for each section. Each step plans its section anew and carries out what is missing,
 * so it can be cut at any instant and done again; what is as wished is passed over.
 *
 * One thing that fails does not keep the rest from coming up: nobody is on site. What failed is told at the end, and the task
 * has failed then; what was done stays.
 */
import * as z from 'zod';
import { exclusive } from '../core/locks.ts';
import { Problem, type ProblemJson } from '../core/problem.ts';
import { type AnyTask, defineTask, type Outcome, type StepContext } from '../core/task.ts';
import type { Tx } from '../core/db.ts';
import { planNow, reopen, type Wanted } from './look.ts';
import type { Action, NewDisk, Section, Step } from './plan-step.ts';
import type { Content } from './schema.ts';
import type { Performer, SiteServices } from './services.ts';
import { transfer } from './transfer.ts';

interface Input {
  file: string;
}

interface Memory {
  problems: string[];
}

type Context = StepContext<Input, Memory>;

const hour = 3_600_000;
const names: Record<Section, string> = {
  host: 'Set up the host', ports: 'Set the addresses of the ports', certificate: 'Install the certificate', signIn: 'Set the rules of signing in', history: 'Set how long history is kept', vmDefaults: 'Set what VMs get by default', destinations: 'Send events to their destinations', updates: 'Set where updates come from', roles: 'Make the roles', users: 'Make the users', groups: 'Make the groups', quotas: 'Set the quotas', storageDomains: 'Set up the storage domains', networks: 'Make the networks',
  images: 'Fetch the installation images', disks: 'Make and fill the disks', vms: 'Make the VMs', pools: 'Make the pools', access: 'Give the roles on single things', starts: 'Start the VMs',
};
/** A plan that still asks for something after so many rounds will go on doing so. */
const mostRounds = 3;
const freshMs = 1_000;

export function applyTask(services: SiteServices): AnyTask {
  const looks = createLooks(services);
  return defineTask<Input, Memory>({
    kind: 'site.apply', input: z.object({ file: z.uuid() }), canCancel: true,
    locks: () => [exclusive('site', 'apply')],
    steps: [
      { name: 'Wait for the storage domains', do: (context) => untilDomains(services, context) },
      ...(Object.keys(names) as Section[]).map((section) => ({ name: names[section], timeoutMs: 24 * hour, do: (context: Context) => applySection(services, context, { section, looks }) })),
      { name: 'See what is left', do: async ({ memory: { problems = [] } }: Context) => requireNone(problems) },
    ],
    finished: (tx, outcome) => finish(services, tx, outcome),
  });
}

const performerOf = ({ taskId, origin, signal }: Context): Performer => ({ actor: `${origin.actor} (site file)`, requestId: taskId, signal });

/** They are laid out in the background of the first start. */
async function untilDomains({ perform, clock }: SiteServices, context: Context): Promise<void> {
  const by = performerOf(context);
  for (;;) {
    const { items } = (await perform.run('storage-domain.list', {}, by)).body as { items: { status: string }[] }; // as its schema says
    if (items.length > 0 && items.every(({ status }) => status !== 'unknown')) return;
    await clock.sleep(200, context.signal);
  }
}

function require(services: SiteServices, { input }: Context): Wanted {
  const row = services.files.get(input.file);
  const wanted = row && reopen(services, row.document);
  if (!wanted) throw new Problem('wrong-state', 'The site file can no longer be read on this machine. Apply it again.');
  return wanted;
}

interface Looks {
  /** What is to be done, as it is now. */
  plan(context: Context): Promise<Step[]>;
  /** Something is being changed. */
  forget(): void;
}

/**
 * To look at everything is most of the work of an apply, and nothing lies between the last look of one section and the first of the
 * next. So one look serves both, within a life of the service and a moment.
 */
function createLooks(services: SiteServices): Looks {
  let last: { task: string; steps: Step[]; endedAt: number } | undefined;
  return {
    async plan(context) {
      const age = services.clock.now() - (last?.endedAt ?? 0);
      if (last?.task === context.taskId && age >= 0 && age < freshMs) return last.steps;
      const steps = await planNow(services, performerOf(context), require(services, context));
      last = { task: context.taskId, steps, endedAt: services.clock.now() };
      return steps;
    },
    forget() {
      last = undefined;
    },
  };
}

async function applySection(services: SiteServices, context: Context, { section, looks }: { section: Section; looks: Looks }): Promise<Memory> {
  const by = performerOf(context);
  const failed = new Map<string, string>();
  await untilOwnTasksEnd(services, context);
  for (let round = 0; round < mostRounds; round++) {
    const steps = (await looks.plan(context)).filter((step) => step.section === section);
    for (const step of steps.filter(({ verb }) => verb === 'conflict')) failed.set(titleOf(step), step.details.join(' '));
    const due = steps.filter((step) => step.action && !failed.has(titleOf(step)));
    if (due.length === 0) break;
    looks.forget();
    if (section === 'starts') await startAll(services, context, due, failed);
    else for (const [index, step] of due.entries()) {
      const progress = (fraction: number) => context.progress((index + fraction) / due.length, step.name);
      progress(0);
      const fault = await attempt(() => carryOut(services, by, step.action, progress), context.signal);
      if (fault !== undefined) failed.set(titleOf(step), fault);
    }
    if (round === mostRounds - 1) for (const step of due.filter((each) => !failed.has(titleOf(each)))) failed.set(titleOf(step), 'It does not stay as the file wishes.');
  }
  return { problems: [...(context.memory.problems ?? []), ...[...failed].map(([title, fault]) => `${title}: ${fault}`)] };
}

/** Each when it is its turn: those before it are up and healthy, as at a start of the host. */
async function startAll(services: SiteServices, context: Context, due: Step[], failed: Map<string, string>): Promise<void> {
  const by = performerOf(context);
  const byVm = new Map(due.map((step) => [step.action?.do === 'perform' ? String(step.action.input['vm']) : '', step]));
  const bugs: unknown[] = [];
  let started = 0;
  context.progress(0, due[0]?.name ?? '');
  await services.bringUp([...byVm.keys()], async (vm) => {
    const step = byVm.get(vm);
    if (!step) return;
    context.progress(started / due.length, step.name);
    const fault = await attempt(() => carryOut(services, by, step.action, () => {}), context.signal).catch((error: unknown) => void bugs.push(error));
    if (typeof fault === 'string') failed.set(titleOf(step), fault);
    started += 1;
  }, context.signal);
  if (bugs.length > 0) throw bugs[0];
}

const words: Record<Section, string> = { host: 'host', ports: 'port', certificate: 'certificate', signIn: 'rules of', history: 'keeping of', vmDefaults: 'defaults of', destinations: 'destination', updates: 'policy of', roles: 'role', users: 'user', groups: 'group', quotas: 'quota of', storageDomains: 'storage domain', networks: 'network', images: 'image', disks: 'disk', vms: 'VM', pools: 'pool', access: 'role of', starts: 'start of VM' };
const titleOf = ({ section, name, details }: Step) => `${words[section]} "${name}"${section === 'vms' && details[0]?.startsWith('disk ') ? ` (${details[0]})` : ''}`;

/** Why it failed, in words for people; a bug and the end of the task are thrown on. */
async function attempt(work: () => Promise<void>, signal: AbortSignal): Promise<string | undefined> {
  try {
    await work();
    return undefined;
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof Problem)) throw error;
    return [error.message, ...(error.errors ?? []).map(({ path, message }) => `${path}: ${message}`)].join(' ');
  }
}

/** What an earlier life of this task has started and did not wait for. */
async function untilOwnTasksEnd({ tasks }: SiteServices, { taskId, signal }: Context): Promise<void> {
  const own = tasks.list({ limit: 1000, isActive: true }).filter((row) => row.requestId === taskId && row.id !== taskId);
  for (const { id } of own) await tasks.ended(id, signal);
}

async function carryOut(services: SiteServices, by: Performer, action: Action | undefined, progress: (fraction: number) => void): Promise<void> {
  if (!action) return;
  if (action.do === 'perform') {
    const { task } = await services.perform.run(action.operation, action.input, by);
    if (task !== undefined) await untilDone(services, task, by.signal);
  } else if (action.do === 'fetch') {
    const { name, domain, url, file, sha256 } = action.image;
    await transfer(services, by, { source: { url, file, sha256 }, operation: 'iso.upload', input: { domain, name }, progress });
  } else await fill(services, by, action, progress);
}

async function untilDone({ tasks }: SiteServices, id: string, signal: AbortSignal): Promise<void> {
  const { state, problem } = await tasks.ended(id, signal);
  if (state === 'done') return;
  throw new Problem('wrong-state', (problem as ProblemJson | null)?.detail ?? `Its task was ${state}.`); // written by the task engine
}

/** Promised before the disk is made: a disk without a promise may hold what somebody needs, and is never filled. */
async function fill(services: SiteServices, by: Performer, { disk, content }: { disk: NewDisk; content: Content }, progress: (fraction: number) => void): Promise<void> {
  const { database, files, perform } = services;
  const note = (state: 'promised' | 'filled') => database.write({ actor: by.actor, operation: 'site.fill', requestId: by.requestId }, (tx) => files.noteContent(tx, disk.name, state, content));
  const isThere = async () => {
    const found = await attempt(async () => void (await perform.run('disk.get', { disk: disk.name }, by)), by.signal);
    return found === undefined;
  };
  if (!(await isThere())) {
    note('promised');
    const { task } = await perform.run('disk.create', { ...disk }, by);
    if (task !== undefined) await untilDone(services, task, by.signal);
  }
  const { url, file, sha256, format } = content;
  const { id } = (await transfer(services, by, { source: { url, file, sha256 }, operation: 'disk.upload', input: { disk: disk.name, format }, progress })) as { id: string }; // the task of the import
  await untilDone(services, id, by.signal);
  note('filled');
}

function requireNone(problems: string[]): void {
  if (problems.length === 0) return;
  const list = problems.map((problem) => problem.replace(/\.?$/, '.')).join(' ');
  throw new Problem('wrong-state', `${problems.length === 1 ? 'One thing is' : `${problems.length} things are`} not as the site file wishes. ${list}`);
}

function finish({ files, activity, hostId, clock, reconcilers }: SiteServices, tx: Tx, { state, input, problem }: Outcome<Input, Memory>): void {
  const row = files.get(input.file);
  if (!row) return;
  const isDone = state === 'done';
  files.update(tx, row.id, { state: isDone ? 'applied' : 'failed', endedAt: clock.now(), failures: isDone ? 0 : row.failures + 1 });
  const about = [{ kind: 'host', id: hostId, name: 'this host' }];
  if (isDone) {
    activity.settle(tx, 'site-file.failed', [hostId]);
    activity.event(tx, { severity: 'info', code: 'site-file.applied', message: `The site file (${row.source}) is applied.`, about });
  } else {
    const nextStep = row.isFound && state === 'failed' ? 'It is tried again by itself. Look at the page "Site file" for what is left, and correct the file if it is wrong.' : 'Mend that, then apply the file again.';
    activity.event(tx, { severity: 'error', code: 'site-file.failed', message: `The site file (${row.source}) could not be applied whole. ${problem?.detail ?? ''}`.trim(), nextStep, about, isStanding: true });
  }
  tx.afterCommit(() => reconcilers.wake('site-file'));
}

