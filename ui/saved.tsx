/** The answer to a verb that is done at once and leads nowhere else: a short toast; a secret that is shown once stays. */
import type * as z from 'zod';
import type { NewTokenOutput, TotpOutput } from '../appliance/auth/schema.ts';
import { Button } from './action.tsx';
import { useUi } from './context.ts';
import { Toast, ToToasts } from './toast.tsx';

export interface SavedToastProps {
  record: { id: string; summary: string };
  body: unknown;
}

export function SavedToast({ record, body }: SavedToastProps) {
  const { phrase, t } = useUi();
  if (record.id === 'token.create') return <TokenToast {...(body as z.output<typeof NewTokenOutput>)} />; // that record's own output
  if (record.id === 'totp.confirm' || record.id === 'totp.renew') return <CodesToast codes={(body as z.output<typeof TotpOutput>).recoveryCodes ?? []} />; // those records' own output
  if (record.id === 'destination.test') return <ToToasts><Toast tone="ok" icon="check" title={phrase((body as { message: string }).message)} /></ToToasts>; // as that record answers
  const title = <>{phrase(record.summary)} <span class="quiet">{t('task.state.done')}</span></>;
  return <ToToasts><Toast tone="ok" icon="check" title={title} /></ToToasts>;
}

/** They are the way in when the phone is lost, and stand nowhere else. */
function CodesToast({ codes }: { codes: string[] }) {
  const { t } = useUi();
  return (
    <ToToasts>
      <Toast tone="ok" icon="key" stays title={t('auth.recoveryMade')}>
        <p class="quiet">{t('auth.recoveryMadeText')}</p>
        <p class="secret"><code class="codes">{codes.map((code) => `${code.slice(0, 5)}-${code.slice(5)}`).join('\n')}</code><Button text={t('form.copy')} icon="copy" tone="quiet" isCompact data-copy="" /></p>
        <p><a class="button" href="/account" data-toast-close="">{t('auth.recoveryKept')}</a></p>
      </Toast>
    </ToToasts>
  );
}

function TokenToast({ name, token }: z.output<typeof NewTokenOutput>) {
  const { t } = useUi();
  return (
    <ToToasts>
      <Toast tone="ok" icon="key" stays title={`${t('auth.tokenMade')}: ${name}`}>
        <p class="quiet">{t('auth.tokenMadeText')}</p>
        <p class="secret"><code>{token}</code><Button text={t('form.copy')} icon="copy" tone="quiet" isCompact data-copy="" /></p>
      </Toast>
    </ToToasts>
  );
}
