/**
 * Who may use a single thing, and giving it to others. A VM has a tab for it (`vm-people.tsx`); disks, storage domains and networks have the page here,
 * which their lists lead to.
 */
import type * as z from 'zod';
import { assignmentCreate, assignmentDelete, assignmentList } from '../../appliance/auth/assignment-operations.ts';
import { roleList } from '../../appliance/auth/role-operations.ts';
import { type ObjectKindName, objectKinds } from '../../appliance/auth/rules.ts';
import type * as schema from '../../appliance/auth/schema.ts';
import { Problem } from '../../appliance/core/problem.ts';
import { networkGet } from '../../appliance/network/operations.ts';
import { diskGet } from '../../appliance/storage/disk-operations.ts';
import { domainGet } from '../../appliance/storage/operations.ts';
import { poolGet } from '../../appliance/vm/pool/operations.ts';
import { templateGet } from '../../appliance/vm/template/operations.ts';
import { LinkButton, OperationButton } from '../action.tsx';
import { useUi } from '../context.ts';
import { Form } from '../form.tsx';
import { Icon } from '../icon.tsx';
import { List } from '../list.tsx';
import { type AnyPage, definePage, type PageCall } from '../page.ts';
import { Empty, PageHead, Panel } from '../section.tsx';
import { roleChoices, type RoleShown } from './people.tsx';

type Assignment = z.output<typeof schema.AssignmentOutput>;

export interface Shared {
  object: { kind: ObjectKindName; id: string };
  assignments: Assignment[];
  /** Those that allow something on such a thing. */
  roles: RoleShown[];
}

export async function readShared({ read }: PageCall, object: Shared['object']): Promise<Shared> {
  const [{ items: assignments }, { items: roles }] = await Promise.all([read(assignmentList, { kind: object.kind, object: object.id }), read(roleList, {})]);
  return { object, assignments, roles: roles.filter(({ kinds }) => kinds.includes(object.kind)) };
}

/** Who holds what on it, and the form that gives more. */
export function Sharing({ object, assignments, roles }: Shared) {
  const { t, can } = useUi();
  return (
    <>
      <div class="grid" data-cols="side">
        <Panel title={t('access.title')} layout="flush">{assignments.length > 0 ? <Holders object={object} assignments={assignments} /> : <Empty icon="users" title={t('access.none')} text={t('access.noneText')} />}</Panel>
        {can('access.edit', object) && <Panel title={t('access.give')}><Give object={object} roles={roles} /></Panel>}
      </div>
      <p class="footnote">{t('access.others')}</p>
    </>
  );
}

function Holders({ object, assignments }: Pick<Shared, 'object' | 'assignments'>) {
  const { t, can } = useUi();
  return (
    <List label={t('access.title')} rows={assignments} rowId={(assignment) => `assignment-${assignment.id}`} columns={[
      { head: t('field.name'), as: 'main', cell: ({ user, group }) => <><Icon name={user === null ? 'users' : 'user'} /> <strong>{user ?? group}</strong></> },
      { head: t('access.role'), cell: ({ role }) => role },
      { head: t('field.verbs'), as: 'verbs', cell: (assignment) => can('access.edit', object) && (
        <OperationButton operation={assignmentDelete} path={{ assignment: assignment.id }} label={t('access.take')} icon="trash" tone="quiet" isCompact
          confirm={{ title: t('access.takeTitle', { name: assignment.user ?? assignment.group ?? '' }), body: t('access.takeBody', { role: assignment.role }) }} />
      ) },
    ]} />
  );
}

/** First what is made for such a thing, such as `disk-owner`. */
function Give({ object, roles }: Pick<Shared, 'object' | 'roles'>) {
  const { t, phrase } = useUi();
  const isMeant = ({ name }: RoleShown) => Number(name.startsWith(`${object.kind}-`) || (object.kind === 'storage-domain' && name === 'disk-creator'));
  const sorted = [...roles].sort((left, right) => isMeant(right) - isMeant(left) || right.name.localeCompare(left.name));
  return (
    <Form operation={assignmentCreate} id="give-role" submit={t('access.give')} fixed={{ kind: object.kind, object: object.id }} instead={{ group: ['user'] }}
      choices={{ role: roleChoices(sorted).map(({ value, label, help }) => ({ value, label: help ? `${label}: ${phrase(help)}` : label })) }} sections={[{ fields: ['user', 'group', 'role'] }]} />
  );
}

// ---------------------------------------------------------------------------------------------- the page of other things

const places = {
  disk: { list: '/storage/disks', text: 'storage.disks' }, 'storage-domain': { list: '/storage', text: 'nav.storage' }, network: { list: '/networks', text: 'nav.networks' }, vm: { list: '/vms', text: 'nav.vms' },
  template: { list: '/templates', text: 'nav.templates' }, pool: { list: '/pools', text: 'nav.pools' },
} as const;

/** Leads there, for who may see who holds it. */
export function ShareLink({ object }: { object: Shared['object'] }) {
  const { t, can } = useUi();
  return can('access.read', object) ? <LinkButton href={`/people/on/${object.kind}/${object.id}`} text={t('access.title')} icon="users" tone="quiet" isCompact /> : null;
}

async function readThing({ read }: PageCall, kind: ObjectKindName, ref: string): Promise<{ id: string; name: string }> {
  if (kind === 'disk') return read(diskGet, { disk: ref });
  if (kind === 'storage-domain') return read(domainGet, { domain: ref });
  if (kind === 'template') return read(templateGet, { template: ref });
  if (kind === 'pool') return read(poolGet, { pool: ref });
  if (kind === 'network') return read(networkGet, { network: ref });
  throw new Problem('not-found', 'There is no such page. It may have been deleted, or the address is misspelt.');
}

const sharePage = definePage({
  path: '/people/on/{kind}/{object}', live: ['disk', 'storage-domain', 'network', 'template', 'pool', 'assignment', 'role'],
  async load(call, { params }) {
    const kind = objectKinds.find((known) => known === params['kind']) ?? 'vm';
    const { id, name } = await readThing(call, kind, params['object'] ?? '');
    return { name, shared: await readShared(call, { kind, id }) };
  },
  title: ({ name }) => name,
  view: ({ name, shared }, { t }) => {
    const { list, text } = places[shared.object.kind];
    return (
      <>
        <PageHead title={name} parent={{ href: list, text: t(text) }} lead={t('access.lead')} />
        <Sharing {...shared} />
      </>
    );
  },
});

export const sharePages: AnyPage[] = [sharePage];
