/**
 * From a task as the API tells it to a task as people see it: a title in their language with the names of what it is about.
 * The kinds have texts under `task.kind.*`; an unknown kind is shown as it is.
 */
import type { Ui } from './context.ts';
import type { ShownProblem } from './problem.tsx';
import type { ShownTask } from './task.tsx';
import { isTextKey } from './text.ts';

export interface ToldTask extends Omit<ShownTask, 'title' | 'problem' | 'endedAt'> {
  kind: string;
  about: { kind: string; id: string; name: string }[];
  problem: ShownProblem | null | undefined;
  endedAt: number | null;
}

export function showTask(ui: Pick<Ui, 't' | 'phrase'>, task: ToldTask): ShownTask {
  const said = { steps: task.steps.map(ui.phrase), message: ui.phrase(task.message) };
  return { ...task, ...said, title: taskTitle(ui, task), problem: task.problem ?? undefined, endedAt: task.endedAt ?? undefined };
}

export function taskTitle({ t }: Pick<Ui, 't'>, { kind, about }: Pick<ToldTask, 'kind' | 'about'>): string {
  const key = `task.kind.${kind}`;
  const verb = isTextKey(key) ? String(t(key as 'toast.close')) : kind; // a key without places, which only the dictionary can tell
  const names = about.map(({ name }) => name).filter(Boolean);
  return [verb, names.slice(0, 2).join(', ')].filter(Boolean).join(' · ');
}
