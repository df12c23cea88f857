/** Toasts: short answers at the edge of the page. They go by themselves unless `stays`; all can be closed. */
import type { Child } from 'hono/jsx';
import { useUi } from './context.ts';
import { Icon, type IconName } from './icon.tsx';
import type { Tone } from './section.tsx';

export interface ToastProps {
  tone: Tone;
  icon: IconName;
  id?: string;
  stays?: boolean;
  title: Child;
  children?: Child;
  [attribute: `hx-${string}`]: string | undefined;
}

export function Toast({ tone, icon, id, stays, title, children, ...rest }: ToastProps) {
  const { t } = useUi();
  return (
    <li class="toast" id={id} data-tone={tone} data-stays={stays ? '' : undefined} role={tone === 'bad' ? 'alert' : undefined} {...rest}>
      <Icon name={icon} class={tone === 'busy' ? 'turning' : ''} />
      <div class="toast-body"><p class="toast-title">{title}</p>{children}</div>
      <button type="button" class="button" data-tone="quiet" data-compact="" data-toast-close="" title={t('toast.close')}>
        <Icon name="close" label={t('toast.close')} />
      </button>
    </li>
  );
}

/** Sends its content to the toasts of the page, whatever element asked. */
export function ToToasts({ children }: { children?: Child }) {
  return <hx-partial hx-target="#toasts" hx-swap="beforeend">{children}</hx-partial>;
}
