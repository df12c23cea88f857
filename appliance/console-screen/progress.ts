/** Follows a task until it ends, and says how. */
import type { Task } from './box.ts';
import { type Line, paragraph, say } from './lines.ts';
import type { Screen, Stage } from './stage.ts';

export function progress(stage: Stage, taskId: string, title: string): Screen {
  let task: Task | undefined;
  const refresh = () => stage.attempt(async () => {
    task = await stage.api.ask<Task>('GET', `/tasks/${taskId}`);
    stage.redraw();
  });
  refresh();
  return {
    title: () => title, needsService: true,
    help: () => stage.ui().t(task?.canCancel ? 'console.keysCancel' : 'console.keysBack'),
    onChange: (kind) => { if (kind === 'task') refresh(); },
    onKey(key) {
      if (key.name === 'text' && key.text.toLowerCase() === 'c' && task?.canCancel) stage.attempt(async () => { await stage.api.ask('POST', `/tasks/${taskId}/cancel`); });
      else if (key.name === 'escape' || (key.name === 'enter' && task?.endedAt !== null)) stage.pop();
    },
    view: ({ columns }) => ({ lines: task ? taskLines(stage, task, columns) : [] }),
  };
}

export function taskLines(stage: Stage, task: Task, columns: number): Line[] {
  const { t, phrase } = stage.ui();
  const width = Math.max(10, Math.min(50, columns - 10));
  const done = Math.round(task.progress * width);
  const [full, empty] = stage.glyphs.hasBlocks ? ['█', '░'] : ['#', '.'];
  const bar = say(` ${full.repeat(done)}${empty.repeat(width - done)} ${Math.round(task.progress * 100)}%`, 'strong');
  const word = task.state === 'unwinding' ? t('console.taskUndoing') : task.endedAt === null ? (task.message || phrase(task.step ?? '')) : t(`task.filter.${task.state as 'done'}`);
  const style = task.state === 'done' ? 'good' : task.state === 'failed' ? 'bad' : 'plain';
  return [
    say(''), ...paragraph(word, columns - 2, { mark: ' ', style }), say(''), bar, say(''),
    ...(task.problem ? paragraph(task.problem.detail, columns - 2, { mark: ' ' }) : []),
  ];
}
