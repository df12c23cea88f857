/** The answer to a verb that is done at once and leads nowhere else: a short toast that goes by itself. */
import { useUi } from './context.ts';
import { Icon } from './icon.tsx';

export function SavedToast({ summary }: { summary: string }) {
  const { phrase, t } = useUi();
  return (
    <hx-partial hx-target="#toasts" hx-swap="beforeend">
      <li class="toast" data-tone="ok">
        <Icon name="check" />
        <div><p class="toast-title">{phrase(summary)} <span class="quiet">{t('task.state.done')}</span></p></div>
      </li>
    </hx-partial>
  );
}
