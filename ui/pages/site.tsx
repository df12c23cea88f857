/** The site file: what is applied, what was found, how the appliance has drifted; check, plan and apply another; export. */
import type * as z from 'zod';
import { siteApply, siteGet, sitePlan } from '../../appliance/provision/operations.ts';
import type * as schema from '../../appliance/provision/schema.ts';
import { Button, LinkButton, OperationButton } from '../action.tsx';
import { useUi } from '../context.ts';
import { Form } from '../form.tsx';
import { Time } from '../format.tsx';
import { List } from '../list.tsx';
import { type AnyPage, definePage, type PageCall } from '../page.ts';
import { Chip, Empty, Facts, Notice, PageHead, Panel, type Tone } from '../section.tsx';

type Site = z.output<typeof schema.SiteOutput>;
type Plan = z.output<typeof schema.PlanOutput>;
type Step = Plan['steps'][number];
type Fault = z.output<typeof schema.Fault>;

const stateTones: Record<NonNullable<Site['current']>['state'], Tone> = { applying: 'busy', applied: 'ok', failed: 'bad' };
const verbTones: Partial<Record<Step['verb'], Tone>> = { conflict: 'bad', note: 'info' };

const sitePage = definePage({
  path: '/site', live: ['site-file'], offers: siteGet,
  async load(call) {
    const site = await call.read(siteGet, {});
    const isKnown = site.current !== null || site.found?.state === 'waiting';
    return { site, plan: isKnown ? await planOf(call) : undefined };
  },
  title: (_data, { t }) => t('nav.site'),
  view: ({ site, plan }, { t, can }) => (
    <>
      <PageHead title={t('nav.site')} lead={t('site.lead')}>
        <LinkButton href="/api/v1/site/export" text={t('site.export')} icon="download" download />
        {can('site.apply') && <LinkButton href="/api/v1/site/export?secrets=true" text={t('site.exportSecrets')} icon="key" tone="quiet" download />}
      </PageHead>
      {site.found && <Found found={site.found} />}
      <div class="stack">
        <Standing site={site} plan={plan} />
        {can('site.apply') && <NewFile />}
      </div>
    </>
  ),
});

/** A file that was kept by another version may no longer be read: the page is there all the same. */
async function planOf({ read }: PageCall): Promise<Plan | undefined> {
  return read(sitePlan, {}).catch(() => undefined);
}

function Found({ found }: { found: NonNullable<Site['found']> }) {
  const { t } = useUi();
  if (found.state === 'refused') return <Notice tone="bad" title={t('site.refused', { source: found.source })}><FaultList faults={found.faults} /></Notice>;
  return (
    <Notice tone="warn" title={t('site.waiting', { source: found.source })}>
      <p>{t('site.waitingText')}</p>
      <OperationButton operation={siteApply} path={{}} label={t('site.applyFound')} icon="check" tone="primary" />
    </Notice>
  );
}

function FaultList({ faults }: { faults: Fault[] }) {
  const { t, phrase } = useUi();
  return <ul class="faults">{faults.map(({ line, column, path, message }) => <li>{line > 0 && <code>{t('site.place', { line, column })}</code>} {path && <strong>{path}</strong>} {phrase(message)}</li>)}</ul>;
}

function Standing({ site: { current, found, sealingKey }, plan }: { site: Site; plan: Plan | undefined }) {
  const { t } = useUi();
  if (!current && !plan) {
    return <Panel title={t('site.applied')}><Empty icon="edit" title={t('site.none')} text={t('site.noneText')} /><SealingKey value={sealingKey} /></Panel>;
  }
  const isFoundPlan = found?.state === 'waiting';
  return (
    <>
      {current && (
        <Panel title={t('site.applied')} aside={<Chip tone={stateTones[current.state]} icon={current.state === 'failed' ? 'error' : current.state === 'applied' ? 'check' : 'half'} text={t(`site.${current.state}`)} />}>
          <Facts items={[
            [t('site.source'), current.source],
            [t('field.started'), <Time at={current.receivedAt} as="clock" />],
            [t('field.ended'), current.endedAt !== null && <Time at={current.endedAt} as="clock" />],
            [t('field.by'), current.actor],
            [t('field.task'), current.task && <a href={`/tasks/${current.task}`}>{t('site.task')}</a>],
          ]} />
          <SealingKey value={sealingKey} />
        </Panel>
      )}
      {plan && (
        <Panel title={isFoundPlan ? t('site.planFound') : t('site.drift')} {...(plan.steps.length > 0 && { layout: 'flush' as const })}
          aside={!isFoundPlan && !plan.isConverged && <OperationButton operation={siteApply} path={{}} label={t('site.applyAgain')} icon="check" />}>
          {plan.steps.length > 0 ? <PlanTable steps={plan.steps} label={t('site.drift')} /> : <Empty icon="check" title={t('site.noDrift')} text={t('site.noDriftText')} />}
        </Panel>
      )}
    </>
  );
}

function SealingKey({ value }: { value: string }) {
  const { t } = useUi();
  return <details class="api-call"><summary>{t('site.sealingKey')}</summary><p class="quiet">{t('site.sealingKeyText')}</p><pre class="code" tabindex={0}>{`bothy site seal --key ${value}`}</pre></details>;
}

function PlanTable({ steps, label }: { steps: Step[]; label: string }) {
  const { t, phrase } = useUi();
  return (
    <List label={label} rows={steps} rowId={(step) => `step-${step.section}-${step.verb}-${step.name}-${step.details.join()}`} columns={[
      { head: t('field.name'), as: 'main', cell: (step) => <><strong>{step.name}</strong>{step.details.map((line) => <small>{phrase(line)}</small>)}</> },
      { head: t('site.what'), cell: (step) => t(`site.section.${step.section as 'vms'}`) }, // the planner's own sections
      { head: t('field.state'), as: 'state', cell: (step) => <Chip tone={verbTones[step.verb] ?? 'busy'} icon={step.verb === 'conflict' ? 'error' : step.verb === 'note' ? 'info' : 'right'} text={t(`site.verb.${step.verb}`)} /> },
    ]} />
  );
}

/** The text can be pasted or read from a file; check and plan answer below it, without a new page. */
function NewFile() {
  const { t, asset } = useUi();
  const texts = {
    good: t('site.good'), nothing: t('site.noDriftText'), failed: t('site.failedToAsk'), place: t('site.place', { line: '{line}', column: '{column}' }), // filled in by the script
    verbs: Object.fromEntries((['create', 'change', 'fetch', 'fill', 'attach', 'start', 'store', 'conflict', 'note'] as const).map((verb) => [verb, t(`site.verb.${verb}`)])),
    sections: Object.fromEntries((['host', 'ports', 'certificate', 'signIn', 'history', 'vmDefaults', 'destinations', 'updates', 'roles', 'users', 'groups', 'quotas', 'storageDomains', 'networks', 'images', 'disks', 'vms', 'access', 'starts'] as const).map((section) => [section, t(`site.section.${section}`)])),
  };
  return (
    <Panel title={t('site.new')}>
      <div class="site-file" data-site-file="" data-texts={JSON.stringify(texts)}>
        <p class="lead">{t('site.newText')}</p>
        <label class="button" data-tone="plain"><span>{t('site.choose')}</span><input type="file" accept=".yaml,.yml,text/yaml" class="sr" data-site-read="" /></label>
        <Form operation={siteApply} id="site-form" submit={t('site.apply')} hasNoCall
          aside={<><Button text={t('site.check')} icon="check" data-site-check="" /><Button text={t('site.plan')} icon="search" data-site-plan="" /></>} />
        <div class="site-answer" data-site-answer="" aria-live="polite" />
      </div>
      <script type="module" src={asset('site.js')} />
    </Panel>
  );
}

export const sitePages: AnyPage[] = [sitePage];
