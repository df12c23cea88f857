/**
 * Tasks as people see them: a chip for the state, a bar for the progress, the cause when one failed, a cancel button.
 *
 * A long verb answers with `TaskToast`, which follows the task by itself: it fetches itself again on every change of a
 * task until the end, and now and then for the change that came before it was there. `TaskCount` keeps the number beside "Tasks" in the navigation.
 */
import { useUi } from './context.ts';
import { formatDuration, formatPercent } from './format.tsx';
import { Icon, type IconName } from './icon.tsx';
import { ProblemText, type ShownProblem } from './problem.tsx';
import { Chip, type Tone } from './section.tsx';
import { Toast } from './toast.tsx';

export type ShownTaskState = 'pending' | 'running' | 'unwinding' | 'done' | 'failed' | 'cancelled';

export interface ShownTask {
  id: string;
  /** What is being done, such as "Start web-1". */
  title: string;
  state: ShownTaskState;
  /** 0 to 1. */
  progress: number;
  message: string;
  steps: string[];
  /** Index of the current step. */
  marker: number;
  problem: ShownProblem | undefined;
  canCancel: boolean;
  createdAt: number;
  endedAt: number | undefined;
  actor: string;
}

const looks: Record<ShownTaskState, { tone: Tone; icon: IconName }> = {
  pending: { tone: 'off', icon: 'clock' },
  running: { tone: 'busy', icon: 'half' },
  unwinding: { tone: 'warn', icon: 'reboot' },
  done: { tone: 'ok', icon: 'check' },
  failed: { tone: 'bad', icon: 'error' },
  cancelled: { tone: 'off', icon: 'stop' },
};

export function isTaskActive(task: Pick<ShownTask, 'state'>): boolean {
  return task.state === 'pending' || task.state === 'running' || task.state === 'unwinding';
}

export function TaskChip({ state }: { state: ShownTaskState }) {
  const { t } = useUi();
  return <Chip {...looks[state]} text={t(`task.state.${state}`)} />;
}

/** The bar, what is being done now, and how long it takes or took. */
export function TaskProgress({ task }: { task: ShownTask }) {
  const { t } = useUi();
  if (!isTaskActive(task)) {
    const took = task.endedAt === undefined ? '' : formatDuration((task.endedAt - task.createdAt) / 1000);
    return <span class="quiet">{took && t('task.took', { duration: took })}</span>;
  }
  const step = task.steps[task.marker] ?? '';
  return (
    <span class="progress" data-state={task.state}>
      <progress max={1} value={task.progress.toFixed(3)} aria-label={task.title} />
      <span class="progress-text">{[formatPercent(task.progress), task.message || step].filter(Boolean).join(' · ')}</span>
    </span>
  );
}

/** The steps of a task with the one at work marked. */
export function TaskSteps({ task }: { task: ShownTask }) {
  return (
    <ol class="steps">
      {task.steps.map((name, index) => {
        const state = index < task.marker || task.state === 'done' ? 'done' : index === task.marker && isTaskActive(task) ? 'now' : 'later';
        return <li data-state={state}><Icon name={state === 'done' ? 'check' : state === 'now' ? 'half' : 'ring'} />{name}</li>;
      })}
    </ol>
  );
}

/** The fragment at `/tasks/{task}/toast`, and the answer of every verb that starts a task. */
export function TaskToast({ task }: { task: ShownTask }) {
  const { t } = useUi();
  const follow = isTaskActive(task)
    ? { 'hx-get': `/tasks/${task.id}/toast`, 'hx-trigger': 'bothy:task from:body, load delay:400ms, every 5s', 'hx-swap': 'outerMorph', 'hx-target': 'this', 'hx-sync': 'this:queue last' }
    : {};
  const title = <><a href={`/tasks/${task.id}`}>{task.title}</a> <span class="quiet">{t(`task.state.${task.state}`)}</span></>;
  return (
    <Toast id={`toast-${task.id}`} tone={looks[task.state].tone} icon={looks[task.state].icon} stays={task.state !== 'done'} title={title} {...follow}>
      {isTaskActive(task) ? <TaskProgress task={task} /> : task.problem && <ProblemText problem={task.problem} />}
    </Toast>
  );
}

/** The fragment at `/tasks/count`: the script copies it to the navigation. */
export function TaskCount({ count }: { count: number }) {
  return <span data-active-tasks={String(count)} />;
}
