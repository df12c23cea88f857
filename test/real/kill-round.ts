/**
 * `kill -9` of the service at every instant of a task, on real parts.
 *
 *   undisturbed -> one subject for each instant, prepared, begun, held there -> one kill -> the shipped service -> compare
 *
 * The first life runs `killable.ts`, which holds the task about `<case>-<n>` at its n-th instant; `<case>-0` runs through and
 * shows what must come of all the others. Called by service-kill.test.ts.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import * as assert from 'uvu/assert';
import type { Service, Task } from './service.ts';

export interface KillCase {
  name: string;
  /** Ends the name of each subject. */
  suffix?: string;
  /** The kind of task that is killed. */
  kind: string;
  /** How many instants it has; three for each step unless told. */
  instants?: number;
  /** Brings `subject` to where the task can begin. */
  prepare(service: Service, subject: string): Promise<unknown>;
  /** Sends the request; may last as long as the task. */
  begin(service: Service, subject: string): Promise<unknown>;
  /** What the guest, or somebody beside us, must do again and again so that the task gets on. */
  help?(service: Service, subject: string): Promise<unknown>;
  /** All that matters in the end, without ids. */
  observe(service: Service, subject: string): Promise<unknown>;
}

/** For the environment of `killable.ts`. */
export const holdOf = (cases: readonly KillCase[]) => JSON.stringify(Object.fromEntries(cases.map(({ name, kind }) => [name, kind])));

const subjectOf = ({ name, suffix = '' }: KillCase, number: number) => `${name}-${number}${suffix}`;

/** Returns how many tasks were killed. */
export async function killAtEveryInstant(service: Service, cases: readonly KillCase[]): Promise<number> {
  const subjects = new Map<KillCase, string[]>();
  for (const each of cases) {
    const instants = await playUndisturbed(service, each);
    const held = Array.from({ length: instants }, (_none, index) => subjectOf(each, index + 1));
    await inParallel(held, 4, (subject) => each.prepare(service, subject));
    await inParallel(held, 4, (subject) => hold(service, each, subject));
    subjects.set(each, held);
  }
  await service.kill9();
  await service.start();
  for (const [each, held] of subjects) await inParallel(held, 4, (subject) => ended(service, each, subject));
  for (const [each, held] of subjects) await compare(service, each, held);
  return [...subjects.values()].flat().length;
}

async function playUndisturbed(service: Service, each: KillCase): Promise<number> {
  const subject = subjectOf(each, 0);
  await each.prepare(service, subject);
  const answer = each.begin(service, subject);
  await helped(service, each, { subject, until: answer });
  await ended(service, each, subject);
  const task = (await tasksAbout(service, subject)).find(({ kind }) => kind === each.kind);
  if (!task) throw new Error(`${each.name} starts no ${each.kind}`);
  return each.instants ?? 3 * task.steps.length;
}

async function hold(service: Service, each: KillCase, subject: string): Promise<void> {
  const line = service.process.line(new RegExp(`^held ${subject} `), 120_000);
  const refused = each.begin(service, subject).then(() => new Promise<never>(() => {})); // only its failure tells something here
  refused.catch(() => {}); // the kill may cut it off
  await helped(service, each, { subject, until: Promise.race([line, refused]) });
}

async function helped(service: Service, { help }: KillCase, { subject, until }: { subject: string; until: Promise<unknown> }): Promise<void> {
  let isOver = false;
  const over = until.finally(() => { isOver = true; });
  while (help && !isOver) {
    await Promise.race([over, sleep(500)]);
    if (!isOver) await help(service, subject);
  }
  await over;
}

async function ended(service: Service, each: KillCase, subject: string): Promise<void> {
  const idle = service.until(`the tasks of ${subject} end`, async () => (await tasksAbout(service, subject, 'active')).length === 0);
  await helped(service, each, { subject, until: idle });
}

async function tasksAbout(service: Service, subject: string, state?: 'active'): Promise<(Task & { steps: string[] })[]> {
  const query = new URLSearchParams({ about: subject, ...(state && { state }) });
  return (await service.must<{ items: (Task & { steps: string[] })[] }>('GET', `/tasks?${query}`)).items;
}

async function compare(service: Service, each: KillCase, held: readonly string[]): Promise<void> {
  const look = async (subject: string) => {
    const task = (await tasksAbout(service, subject)).find(({ kind }) => kind === each.kind);
    return { task: task?.state, problem: task?.problem?.type, seen: JSON.parse(JSON.stringify(await each.observe(service, subject)).replaceAll(subject, each.name)) };
  };
  const expected = await look(subjectOf(each, 0));
  for (const [index, subject] of held.entries()) {
    assert.equal(await look(subject), expected, `${each.kind} killed at instant ${index + 1}, ${heldAt(service, subject)}`);
  }
}

const heldAt = (service: Service, subject: string) => new RegExp(`^held ${subject} (.*)$`, 'm').exec(service.logs())?.[1] ?? '';

export async function inParallel<T>(items: readonly T[], atOnce: number, work: (item: T) => Promise<unknown>): Promise<void> {
  const queue = [...items];
  const drain = async () => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, drain));
}
