/** How much the VMs and disks of users and groups may take, and how much they take: the tab of administrators, and what everybody sees of their own. */
import type * as z from 'zod';
import { quotaCreate, quotaDelete, quotaEdit, quotaList } from '../../appliance/auth/quota-operations.ts';
import type { QuotaOutput, QuotaPart } from '../../appliance/auth/quota-schema.ts';
import { groupList } from '../../appliance/auth/group-operations.ts';
import { userList } from '../../appliance/auth/user-operations.ts';
import { Button, Dialog, OperationButton } from '../action.tsx';
import { useUi } from '../context.ts';
import { Form } from '../form.tsx';
import { formatBytes, Meter } from '../format.tsx';
import { Icon } from '../icon.tsx';
import { List } from '../list.tsx';
import { type AnyPage, definePage } from '../page.ts';
import { Chip, Empty, Panel } from '../section.tsx';
import { PeopleFrame } from './people.tsx';

export type Quota = z.output<typeof QuotaOutput>;

const quotaParts: QuotaPart[] = ['vcpus', 'memoryBytes', 'diskBytes'];
const shown = (part: QuotaPart, amount: number) => (part === 'vcpus' ? String(amount) : formatBytes(amount));
const holder = ({ user, group }: Quota) => user ?? group ?? '';

const quotasPage = definePage({
  path: '/people/quotas', live: ['quota', 'vm', 'disk', 'group', 'user'],
  load: async ({ read }) => ({ quotas: (await read(quotaList, {})).items, users: (await read(userList, {})).items, groups: (await read(groupList, {})).items }),
  title: (_data, { t }) => t('quota.title'),
  view: ({ quotas, users, groups }, { t, can }) => {
    const names = { user: users.map(({ name }) => ({ value: name, label: name })), group: groups.map(({ name }) => ({ value: name, label: name })) };
    return (
      <PeopleFrame verb={can('user.edit') && <Button text={t('quota.new')} icon="plus" tone="primary" data-dialog="create-quota" />}>
        {quotas.length > 0 ? <QuotaTable quotas={quotas} /> : <Panel><Empty icon="cpu" title={t('quota.none')} text={t('quota.noneText')} /></Panel>}
        <p class="footnote">{t('quota.counts')}</p>
        {can('user.edit') && (
          <>
            <Dialog id="create-quota" title={t('quota.new')}><Form operation={quotaCreate} id="create-quota-form" submit={t('quota.new')} choices={names} instead={{ user: ['group'] }} /></Dialog>
            {quotas.map((quota) => (
              <Dialog id={`edit-quota-${quota.id}`} title={holder(quota)}>
                <Form operation={quotaEdit} id={`quota-form-${quota.id}`} path={{ quota: quota.id }} values={{ ...quota }} generation={quota.generation} submit={t('word.save')} />
              </Dialog>
            ))}
          </>
        )}
      </PeopleFrame>
    );
  },
});

function QuotaTable({ quotas }: { quotas: Quota[] }) {
  const { t, can } = useUi();
  const part = (name: QuotaPart) => ({ head: t(`quota.${name}`), cell: (quota: Quota) => <Part quota={quota} part={name} /> });
  return (
    <List label={t('quota.title')} rows={quotas} rowId={(quota) => `quota-${quota.id}`} columns={[
      { head: t('field.name'), as: 'main', cell: (quota) => <><Icon name={quota.user === null ? 'users' : 'user'} />{'\u00a0'}<strong>{holder(quota)}</strong></> },
      { head: t('field.state'), as: 'state', cell: (quota) => <State quota={quota} /> },
      part('vcpus'), part('memoryBytes'), part('diskBytes'),
      { head: t('field.verbs'), as: 'verbs', cell: (quota) => can('user.edit') && (
        <span class="row-verbs">
          <Button text={t('people.edit', { name: holder(quota) })} icon="edit" tone="quiet" isCompact data-dialog={`edit-quota-${quota.id}`} />
          <OperationButton operation={quotaDelete} path={{ quota: quota.id }} label={t('quota.delete')} icon="trash" tone="quiet" isCompact generation={quota.generation}
            confirm={{ title: t('quota.deleteTitle', { name: holder(quota) }), body: t('quota.deleteBody') }} />
        </span>
      ) },
    ]} />
  );
}

function State({ quota: { over, mode } }: { quota: Quota }) {
  const { t } = useUi();
  if (over.length > 0) return <Chip tone="warn" icon="alert" text={t('quota.over')} reason={over.map((part) => t(`quota.${part}`)).join(', ')} />;
  return mode === 'audit' ? <Chip tone="off" icon="info" text={t('quota.audit')} /> : <Chip tone="ok" icon="check" text={t('quota.kept')} />;
}

function Part({ quota, part }: { quota: Quota; part: QuotaPart }) {
  const { t } = useUi();
  const [used, limit] = [quota.used[part], quota[part]];
  if (limit === null) return <span class="quiet">{t('quota.unlimited', { used: shown(part, used) })}</span>;
  return <Meter label={t(`quota.${part}`)} used={used} total={Math.max(limit, 1)} text={t('quota.of', { used: shown(part, used), limit: shown(part, limit) })} criticalAt={1.0001} />;
}

/** On the page of somebody's own machines: what is left of each limit. */
export function OwnQuotas({ quotas }: { quotas: Quota[] }) {
  const { t } = useUi();
  return (
    <div class="own-quotas">
      {quotas.map((quota) => (
        <Panel title={quota.group === null ? t('quota.own') : t('quota.ofGroup', { group: quota.group })} aside={quota.over.length > 0 && <State quota={quota} />}>
          <dl class="facts">
            {quotaParts.filter((part) => quota[part] !== null).map((part) => (
              <div><dt>{t(`quota.${part}`)}</dt><dd><Part quota={quota} part={part} /><small class="quiet">{t('quota.left', { left: shown(part, Math.max(0, (quota[part] ?? 0) - quota.used[part])) })}</small></dd></div>
            ))}
          </dl>
        </Panel>
      ))}
    </div>
  );
}

export const quotaPages: AnyPage[] = [quotasPage];
