/** Users, groups and roles of the whole appliance. Roles on single things stand with the things: `vm-people.tsx`. */
import type * as z from 'zod';
import { groupCreate, groupDelete, groupEdit, groupList } from '../../appliance/auth/group-operations.ts';
import { roleCreate, roleDelete, roleEdit, roleList } from '../../appliance/auth/role-operations.ts';
import { grantable, permissions as permissionTexts } from '../../appliance/auth/rules.ts';
import type * as schema from '../../appliance/auth/schema.ts';
import { signInRulesEdit, signInRulesGet, userUnlock } from '../../appliance/auth/sign-in-operations.ts';
import { userTotpRemove } from '../../appliance/auth/totp-operations.ts';
import { userCreate, userDelete, userEdit, userList } from '../../appliance/auth/user-operations.ts';
import type { Child } from 'hono/jsx';
import { Button, Dialog, OperationButton } from '../action.tsx';
import { useUi } from '../context.ts';
import type { Choice } from '../field-info.ts';
import { Form } from '../form.tsx';
import { Icon } from '../icon.tsx';
import { List } from '../list.tsx';
import { type AnyPage, definePage } from '../page.ts';
import { Chip, Empty, Facts, PageHead, Panel, Tabs } from '../section.tsx';

type User = z.output<typeof schema.UserOutput>;
type Group = z.output<typeof schema.GroupOutput>;
export type RoleShown = z.output<typeof schema.RoleOutput>;

export function PeopleFrame({ verb, children }: { verb?: Child; children?: Child }) {
  const { t } = useUi();
  return (
    <>
      <PageHead title={t('nav.people')} lead={t('people.lead')}>{verb}</PageHead>
      <Tabs label={t('nav.people')} tabs={[{ href: '/people', text: t('people.users'), icon: 'user' }, { href: '/people/groups', text: t('people.groups'), icon: 'users' }, { href: '/people/roles', text: t('people.roles'), icon: 'key' }, { href: '/people/quotas', text: t('quota.title'), icon: 'cpu' }, { href: '/people/sign-in', text: t('people.signIn'), icon: 'settings' }]} />
      {children}
    </>
  );
}

export const roleChoices = (roles: RoleShown[]): Choice[] => roles.map(({ name, description }) => ({ value: name, label: name, help: description }));
const words = (names: readonly string[]) => (names.length > 0 ? names.join(', ') : <span class="quiet">–</span>);

// ---------------------------------------------------------------------------------------------- users

const usersPage = definePage({
  path: '/people', live: ['user', 'group', 'role'],
  load: async ({ read }) => ({ users: (await read(userList, {})).items, roles: (await read(roleList, {})).items }),
  title: (_data, { t }) => t('people.users'),
  view: ({ users, roles }, { t, can }) => (
    <PeopleFrame verb={can('user.edit') && <Button text={t('people.newUser')} icon="plus" tone="primary" data-dialog="create-user" />}>
      <List label={t('people.users')} rows={users} rowId={(user) => `user-${user.id}`} columns={[
        { head: t('field.name'), as: 'main', cell: (user) => <><strong>{user.name}</strong>{!user.hasPassword && <small>{t('people.noPassword')}</small>}</> },
        { head: t('field.state'), as: 'state', cell: (user) => user.isLocked && <Chip tone="bad" icon="error" text={t('people.locked')} reason={t('people.lockedText')} /> },
        { head: t('people.roles'), cell: (user) => words(user.roles) },
        { head: t('people.groups'), cell: (user) => words(user.groups) },
        { head: t('field.verbs'), as: 'verbs', cell: (user) => <UserVerbs user={user} /> },
      ]} />
      {can('user.edit') && (
        <>
          <Dialog id="create-user" title={t('people.newUser')}>
            <Form operation={userCreate} id="create-user-form" submit={t('people.newUser')} choices={{ roles: roleChoices(roles) }} sections={[{ fields: ['name', 'password', 'roles'] }]} />
          </Dialog>
          {users.map((user) => <EditUser user={user} roles={roles} />)}
        </>
      )}
    </PeopleFrame>
  ),
});

function UserVerbs({ user }: { user: User }) {
  const { t, can } = useUi();
  if (!can('user.edit')) return null;
  return (
    <span class="row-verbs">
      {user.isLocked && <OperationButton operation={userUnlock} path={{ user: user.id }} values={{}} label={t('people.unlock')} icon="key" tone="quiet" isCompact />}
      {user.hasTotp && <OperationButton operation={userTotpRemove} path={{ user: user.id }} label={t('people.removeTotp')} icon="screen" tone="quiet" isCompact confirm={{ title: t('people.removeTotpTitle', { name: user.name }), body: t('people.removeTotpBody') }} />}
      <Button text={t('people.edit', { name: user.name })} icon="edit" tone="quiet" isCompact data-dialog={`edit-user-${user.id}`} />
      <OperationButton operation={userDelete} path={{ user: user.id }} label={t('people.deleteUser')} icon="trash" tone="quiet" isCompact generation={user.generation}
        confirm={{ title: t('people.deleteTitle', { name: user.name }), body: t('people.deleteUserBody') }} />
    </span>
  );
}

function EditUser({ user, roles }: { user: User; roles: RoleShown[] }) {
  const { t } = useUi();
  return (
    <Dialog id={`edit-user-${user.id}`} title={user.name}>
      <Form operation={userEdit} id={`user-form-${user.id}`} path={{ user: user.id }} values={{ roles: user.roles }} generation={user.generation} submit={t('word.save')}
        choices={{ roles: roleChoices(roles) }} sections={[{ fields: ['password', 'roles'] }]}><p class="quiet">{t('people.passwordKept')}</p></Form>
    </Dialog>
  );
}

// ---------------------------------------------------------------------------------------------- groups

const groupsPage = definePage({
  path: '/people/groups', live: ['user', 'group', 'role'],
  load: async ({ read }) => ({ groups: (await read(groupList, {})).items, users: (await read(userList, {})).items, roles: (await read(roleList, {})).items }),
  title: (_data, { t }) => t('people.groups'),
  view: ({ groups, users, roles }, { t, can }) => {
    const choices = { roles: roleChoices(roles), members: users.map(({ name }) => ({ value: name, label: name })) };
    return (
      <PeopleFrame verb={can('user.edit') && <Button text={t('people.newGroup')} icon="plus" tone="primary" data-dialog="create-group" />}>
        {groups.length > 0 ? <GroupTable groups={groups} /> : <Panel><Empty icon="users" title={t('people.noGroup')} text={t('people.noGroupText')} /></Panel>}
        {can('user.edit') && (
          <>
            <Dialog id="create-group" title={t('people.newGroup')}><Form operation={groupCreate} id="create-group-form" submit={t('people.newGroup')} choices={choices} /></Dialog>
            {groups.map((group) => (
              <Dialog id={`edit-group-${group.id}`} title={group.name}>
                <Form operation={groupEdit} id={`group-form-${group.id}`} path={{ group: group.id }} values={{ ...group }} generation={group.generation} submit={t('word.save')} choices={choices} />
              </Dialog>
            ))}
          </>
        )}
      </PeopleFrame>
    );
  },
});

function GroupTable({ groups }: { groups: Group[] }) {
  const { t, can } = useUi();
  return (
    <List label={t('people.groups')} rows={groups} rowId={(group) => `group-${group.id}`} columns={[
      { head: t('field.name'), as: 'main', cell: (group) => <><strong>{group.name}</strong>{group.description && <small>{group.description}</small>}</> },
      { head: t('people.members'), cell: (group) => words(group.members) },
      { head: t('people.roles'), cell: (group) => words(group.roles) },
      { head: t('field.verbs'), as: 'verbs', cell: (group) => can('user.edit') && (
        <span class="row-verbs">
          <Button text={t('people.edit', { name: group.name })} icon="edit" tone="quiet" isCompact data-dialog={`edit-group-${group.id}`} />
          <OperationButton operation={groupDelete} path={{ group: group.id }} label={t('people.deleteGroup')} icon="trash" tone="quiet" isCompact generation={group.generation}
            confirm={{ title: t('people.deleteTitle', { name: group.name }), body: t('people.deleteGroupBody') }} />
        </span>
      ) },
    ]} />
  );
}

// ---------------------------------------------------------------------------------------------- roles

const rolesPage = definePage({
  path: '/people/roles', live: ['role'],
  load: async ({ read }) => (await read(roleList, {})).items,
  title: (_data, { t }) => t('people.roles'),
  view: (roles, { t, can, phrase }) => {
    const choices = { permissions: grantable.map((permission) => ({ value: permission, label: phrase(permissionTexts[permission]) })) };
    const own = roles.filter(({ isPredefined }) => !isPredefined);
    return (
      <PeopleFrame verb={can('user.edit') && <Button text={t('people.newRole')} icon="plus" tone="primary" data-dialog="create-role" />}>
        <RoleTable roles={[...own, ...roles.filter(({ isPredefined }) => isPredefined)]} />
        {can('user.edit') && (
          <>
            <Dialog id="create-role" title={t('people.newRole')}><Form operation={roleCreate} id="create-role-form" submit={t('people.newRole')} choices={choices} /></Dialog>
            {own.map((role) => (
              <Dialog id={`edit-role-${role.name}`} title={role.name}>
                <Form operation={roleEdit} id={`role-form-${role.name}`} path={{ role: role.name }} values={{ ...role }} generation={role.generation} submit={t('word.save')} choices={choices} />
              </Dialog>
            ))}
          </>
        )}
      </PeopleFrame>
    );
  },
});

function RoleTable({ roles }: { roles: RoleShown[] }) {
  const { t, can, phrase } = useUi();
  return (
    <List label={t('people.roles')} rows={roles} rowId={(role) => `role-${role.name}`} columns={[
      { head: t('field.name'), as: 'main', cell: (role) => <><strong>{role.name}</strong>{role.description && <small>{phrase(role.description)}</small>}</> },
      { head: t('people.permissions'), cell: (role) => (
        <details class="permissions"><summary>{t('people.count', { count: role.permissions.length })}<Icon name="down" class="fold" /></summary>
          <ul>{role.permissions.map((permission) => <li title={permission}>{phrase(permissionTexts[permission as keyof typeof permissionTexts] ?? '')}</li>)}</ul>
        </details>
      ) },
      { head: t('field.state'), from: 'tablet', cell: (role) => role.isPredefined && <Chip tone="off" icon="check" text={t('people.predefined')} /> },
      { head: t('field.verbs'), as: 'verbs', cell: (role) => can('user.edit') && !role.isPredefined && (
        <span class="row-verbs">
          <Button text={t('people.edit', { name: role.name })} icon="edit" tone="quiet" isCompact data-dialog={`edit-role-${role.name}`} />
          <OperationButton operation={roleDelete} path={{ role: role.name }} label={t('people.deleteRole')} icon="trash" tone="quiet" isCompact
            confirm={{ title: t('people.deleteTitle', { name: role.name }), body: t('people.deleteRoleBody') }} />
        </span>
      ) },
    ]} />
  );
}

// ---------------------------------------------------------------------------------------------- signing in

const signInRulesPage = definePage({
  path: '/people/sign-in', live: ['sign-in-rules'],
  load: ({ read }) => read(signInRulesGet, {}),
  title: (_data, { t }) => t('people.signIn'),
  view: (rules, { t, can }) => (
    <PeopleFrame>
      {can('user.edit')
        ? <Panel><div id="sign-in-rules" hx-morph-skip=""><Form operation={signInRulesEdit} id="sign-in-rules-form" values={{ ...rules }} generation={rules.generation} submit={t('word.save')} /></div></Panel>
        : <Panel><Facts items={[[t('people.shortest'), rules.minimumLength], [t('people.lockAfter'), rules.lockAfter], [t('people.lockMinutes'), rules.lockMinutes], [t('people.idleMinutes'), rules.idleMinutes]]} /></Panel>}
    </PeopleFrame>
  ),
});

export const peoplePages: AnyPage[] = [usersPage, groupsPage, rolesPage, signInRulesPage];
