/** The answer to a verb that is done at once and leads nowhere else: a short toast that goes by itself. */
import { useUi } from './context.ts';
import { Toast, ToToasts } from './toast.tsx';

export function SavedToast({ summary }: { summary: string }) {
  const { phrase, t } = useUi();
  return <ToToasts><Toast tone="ok" icon="check" title={<>{phrase(summary)} <span class="quiet">{t('task.state.done')}</span></>} /></ToToasts>;
}
