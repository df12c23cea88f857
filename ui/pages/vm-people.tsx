/** Who may use a VM, and giving it to others: the tab of those who manage it. */
import type * as z from 'zod';
import { assignmentCreate, assignmentDelete, assignmentList } from '../../appliance/auth/assignment-operations.ts';
import { roleList } from '../../appliance/auth/role-operations.ts';
import type * as schema from '../../appliance/auth/schema.ts';
import type { VmDetails } from '../../appliance/vm/schema.ts';
import { OperationButton } from '../action.tsx';
import { useUi } from '../context.ts';
import { Form } from '../form.tsx';
import { Icon } from '../icon.tsx';
import { List } from '../list.tsx';
import { definePage } from '../page.ts';
import { Empty, Panel } from '../section.tsx';
import { roleChoices, type RoleShown } from './people.tsx';
import { readVm, VmFrame } from './vm-page.tsx';
import { aboutVm } from './vm-state.tsx';

type Assignment = z.output<typeof schema.AssignmentOutput>;

export const vmPeoplePage = definePage({
  path: '/vms/{vm}/people', live: ['vm', 'assignment', 'role'],
  async load(call, request) {
    const vm = await readVm(call, request);
    const [{ items: assignments }, { items: roles }] = await Promise.all([call.read(assignmentList, { kind: 'vm', object: vm.id }), call.read(roleList, {})]);
    return { vm, assignments, roles: roles.filter(({ kinds }) => kinds.includes('vm')) };
  },
  title: ({ vm }) => vm.name,
  view: ({ vm, assignments, roles }, { t, can }) => (
    <VmFrame vm={vm}>
      <div class="grid" data-cols="side">
        <Panel title={t('access.title')} layout="flush">{assignments.length > 0 ? <Holders vm={vm} assignments={assignments} /> : <Empty icon="users" title={t('access.none')} text={t('access.noneText')} />}</Panel>
        {can('access.edit', aboutVm(vm)) && <Panel title={t('access.give')}><Give vm={vm} roles={roles} /></Panel>}
      </div>
      <p class="footnote">{t('access.others')}</p>
    </VmFrame>
  ),
});

function Holders({ vm, assignments }: { vm: VmDetails; assignments: Assignment[] }) {
  const { t, can } = useUi();
  return (
    <List label={t('access.title')} rows={assignments} rowId={(assignment) => `assignment-${assignment.id}`} columns={[
      { head: t('field.name'), as: 'main', cell: ({ user, group }) => <><Icon name={user === null ? 'users' : 'user'} /> <strong>{user ?? group}</strong></> },
      { head: t('access.role'), cell: ({ role }) => role },
      { head: t('field.verbs'), as: 'verbs', cell: (assignment) => can('access.edit', aboutVm(vm)) && (
        <OperationButton operation={assignmentDelete} path={{ assignment: assignment.id }} label={t('access.take')} icon="trash" tone="quiet" isCompact
          confirm={{ title: t('access.takeTitle', { name: assignment.user ?? assignment.group ?? '' }), body: t('access.takeBody', { role: assignment.role }) }} />
      ) },
    ]} />
  );
}

function Give({ vm, roles }: { vm: VmDetails; roles: RoleShown[] }) {
  const { t, phrase } = useUi();
  // First what most are given.
  const sorted = [...roles].sort((left, right) => Number(right.name.startsWith('vm-')) - Number(left.name.startsWith('vm-')) || right.name.localeCompare(left.name));
  return (
    <Form operation={assignmentCreate} id="give-role" submit={t('access.give')} fixed={{ kind: 'vm', object: vm.id }} instead={{ group: ['user'] }}
      choices={{ role: roleChoices(sorted).map(({ value, label, help }) => ({ value, label: help ? `${label}: ${phrase(help)}` : label })) }} sections={[{ fields: ['user', 'group', 'role'] }]} />
  );
}
