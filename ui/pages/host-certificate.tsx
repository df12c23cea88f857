/** The certificate that browsers are shown: what it says, giving another one, going back to the machine's own. */
import type * as z from 'zod';
import { certificateReset, certificateSet } from '../../appliance/host/certificate-operations.ts';
import type * as schema from '../../appliance/host/schema.ts';
import { Button, Dialog, OperationButton } from '../action.tsx';
import { useUi } from '../context.ts';
import { Form } from '../form.tsx';
import { Time } from '../format.tsx';
import { Facts, Panel } from '../section.tsx';

export type Certificate = NonNullable<z.output<typeof schema.CertificateOutput>>;

export function CertificatePanel({ certificate }: { certificate: Certificate }) {
  const { t, can } = useUi();
  const { isOwn, names, issuer, validTo, fingerprint } = certificate;
  return (
    <Panel title={t('certificate.title')} aside={can('host.edit') && <Verbs isOwn={isOwn} />}>
      <Facts items={[
        [t('certificate.from'), isOwn ? t('certificate.own') : issuer],
        [t('certificate.names'), names.join(', ')],
        [t('certificate.validTo'), <Time at={validTo} />],
        [t('certificate.fingerprint'), <code class="wrap">{fingerprint}</code>],
      ]} />
      <Dialog id="certificate-set" title={t('certificate.give')}>
        <Form operation={certificateSet} id="certificate-form" path={{ host: 'this' }} submit={t('certificate.give')} hasNoCall>
          <p class="quiet">{t('certificate.giveText')}</p>
        </Form>
      </Dialog>
    </Panel>
  );
}

function Verbs({ isOwn }: { isOwn: boolean }) {
  const { t } = useUi();
  return (
    <span class="verbs">
      <Button text={t('certificate.give')} icon="edit" tone="quiet" data-dialog="certificate-set" />
      <OperationButton operation={certificateReset} path={{ host: 'this' }} label={isOwn ? t('certificate.renew') : t('certificate.reset')} icon="key" tone="quiet"
        confirm={{ title: t('certificate.resetTitle'), body: t('certificate.resetBody') }} />
    </span>
  );
}
