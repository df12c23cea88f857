/** Tasks: the list, one task with its steps, and the two fragments by which every page follows them. */
import { taskCancel, taskGet, taskList } from '../../appliance/activity/operations.ts';
import type * as schema from '../../appliance/activity/schema.ts';
import type * as z from 'zod';
import { OperationButton } from '../action.tsx';
import { type Ui, useUi } from '../context.ts';
import { Time } from '../format.tsx';
import { filledIn, FilterChoice, List, nextPage } from '../list.tsx';
import { type AnyPage, definePage } from '../page.ts';
import { Empty, Facts, Notice, PageHead, Panel } from '../section.tsx';
import { showTask, taskTitle } from '../shown-task.ts';
import { isTaskActive, TaskChip, TaskCount, TaskProgress, TaskSteps, TaskToast } from '../task.tsx';
import { AboutLinks } from './about.tsx';

export type ToldTask = z.output<typeof schema.TaskOutput>;

const states = ['active', 'done', 'failed', 'cancelled'] as const;

const listPage = definePage({
  path: '/tasks', live: ['task'],
  async load({ read }, { query }) {
    const filter = filledIn(query, ['state', 'about', 'after']);
    return { ...(await read(taskList, filter as never)), filter }; // checked by the record's schema
  },
  title: (_data, { t }) => t('nav.tasks'),
  view: ({ items, next, filter }, { t }) => (
    <>
      <PageHead title={t('nav.tasks')} lead={t('task.lead')} />
      <div class="toolbar">
        <form class="filter" action="/tasks" method="get" hx-get="/tasks" hx-trigger="change" hx-target="#page" hx-select="#page" hx-swap="outerMorph" hx-replace-url="true">
          <FilterChoice name="state" label={t('field.state')} any={t('filter.anyState')} chosen={filter['state']} options={states.map((value) => ({ value, label: t(`task.filter.${value}`) }))} />
        </form>
      </div>
      {items.length > 0
        ? <TaskList tasks={items} next={nextPage('/tasks', filter, next)} />
        : <Panel><Empty icon="tasks" title={t('task.none')} text={t('task.noneText')} /></Panel>}
    </>
  ),
});

export function TaskList({ tasks, next }: { tasks: ToldTask[]; next?: string | undefined }) {
  const ui = useUi();
  const { t } = ui;
  return (
    <List label={t('nav.tasks')} rows={tasks} rowId={(task) => `task-${task.id}`} next={next} columns={[
      { head: t('field.task'), as: 'main', cell: (task) => <><a href={`/tasks/${task.id}`}>{taskTitle(ui, task)}</a><small>{task.problem ? ui.phrase(task.problem.detail) : task.actor}</small></> },
      { head: t('field.state'), as: 'state', cell: (task) => <TaskChip state={task.state} /> },
      { head: t('field.progress'), cell: (task) => <TaskProgress task={showTask(ui, task)} /> },
      { head: t('field.started'), from: 'tablet', cell: (task) => <Time at={task.createdAt} /> },
      { head: t('field.verbs'), as: 'verbs', cell: (task) => <CancelButton task={task} isCompact /> },
    ]} />
  );
}

function CancelButton({ task, isCompact }: { task: ToldTask; isCompact?: boolean }) {
  const { t } = useUi();
  if (!task.canCancel) return null;
  return (
    <OperationButton operation={taskCancel} path={{ task: task.id }} label={t('task.cancel')} icon="close" tone={isCompact ? 'quiet' : 'danger'}
      {...(isCompact && { isCompact })} confirm={{ title: t('task.cancelTitle'), body: t('task.cancelBody') }} />
  );
}

const onePage = definePage({
  path: '/tasks/{task}', live: ['task'],
  load: ({ read }, { params }) => read(taskGet, { task: params['task'] ?? '' }),
  title: (task: ToldTask, ui) => taskTitle(ui, task),
  view: (task, ui) => <TaskView task={task} ui={ui} />,
});

function TaskView({ task, ui }: { task: ToldTask; ui: Ui }) {
  const { t } = ui;
  const shown = showTask(ui, task);
  return (
    <>
      <PageHead title={shown.title} parent={{ href: '/tasks', text: t('nav.tasks') }} aside={<TaskChip state={task.state} />}><CancelButton task={task} /></PageHead>
      {task.problem && <Notice tone={task.state === 'cancelled' ? 'off' : 'bad'} title={ui.phrase(task.problem.title)}>{ui.phrase(task.problem.detail)}</Notice>}
      <div class="grid">
        <Panel title={t('task.steps')}><TaskSteps task={shown} />{isTaskActive(shown) && <TaskProgress task={shown} />}</Panel>
        <Panel title={t('task.facts')}>
          <Facts items={[
            [t('field.about'), task.about.length > 0 && <AboutLinks about={task.about} />],
            [t('field.by'), task.actor],
            [t('field.started'), <Time at={task.createdAt} as="clock" />],
            [t('field.ended'), task.endedAt !== null && <Time at={task.endedAt} as="clock" />],
            [t('field.duration'), !isTaskActive(shown) && <TaskProgress task={shown} />],
            [t('field.id'), <code>{task.id}</code>],
            [t('field.requestId'), task.problem?.requestId && <code>{task.problem.requestId}</code>],
          ]} />
        </Panel>
      </div>
    </>
  );
}

const toastFragment = definePage({
  path: '/tasks/{task}/toast', frame: 'fragment',
  load: ({ read }, { params }) => read(taskGet, { task: params['task'] ?? '' }),
  title: () => '',
  view: (task, ui) => <TaskToast task={showTask(ui, task)} />,
});

const countFragment = definePage({
  path: '/tasks/count', frame: 'fragment',
  load: async ({ read, can }) => (can('task.read') ? (await read(taskList, { state: 'active', limit: 100 })).items.length : 0),
  title: () => '',
  view: (count) => <TaskCount count={count} />,
});

/** The fragment before the page: `/tasks/count` must not be taken for a task. */
export const taskPages: AnyPage[] = [listPage, countFragment, toastFragment, onePage];
