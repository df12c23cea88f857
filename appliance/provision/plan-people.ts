/**
 * Roles, users, groups and who holds what on single things, from what is to what a site file wishes. Pure.
 *
 * Nothing is taken away but by naming it otherwise: the members and roles of a group that the file names become those of the file, and
 * an assignment that it does not name stays.
 */
import { isPredefined } from '../auth/rules.ts';
import { differences, entries, perform, step, type Step, type Wish } from './plan-step.ts';

export const fullUser = (name: string): string => (name.includes('@') ? name : `${name}@internal`);
const isSame = (left: readonly string[], right: readonly string[]) => [...left].sort().join() === [...right].sort().join();
const list = (names: readonly string[]) => names.join(', ') || '-';

/** The roles among `names` that neither the file nor the appliance has. */
function unknownRoles({ site, current }: Wish, names: readonly string[]): string[] {
  const known = new Set([...site.roles, ...current.roles].map(({ name }) => name));
  const missing = names.filter((name) => !isPredefined(name) && !known.has(name));
  return missing.length === 0 ? [] : [`There is no role ${missing.map((name) => `"${name}"`).join(', ')}.`];
}

/** Before the users: their passwords must keep the rules. */
export function planSignIn({ site: { signIn }, current }: Wish): Step[] {
  if (!signIn) return [];
  const { changes, details } = differences(Object.keys(signIn), { wanted: signIn, given: signIn, is: current.signIn });
  return details.length === 0 ? [] : [step('signIn', 'change', 'sign-in', details, perform('sign-in-rules.edit', changes))];
}

export function planRoles(wish: Wish): Step[] {
  return entries(wish, 'roles').flatMap(({ wanted, given }) => {
    if (isPredefined(wanted.name)) return step('roles', 'conflict', wanted.name, ['This role is predefined and stays as it is. Choose another name.']);
    const is = wish.current.roles.find(({ name }) => name === wanted.name);
    if (!is) return step('roles', 'create', wanted.name, [`permissions: ${list(wanted.permissions)}`], perform('role.create', wanted));
    const hasOther = !isSame(is.permissions, wanted.permissions);
    const hasOtherText = 'description' in given && is.description !== wanted.description;
    const details = [...(hasOther ? [`permissions: ${list(is.permissions)} -> ${list(wanted.permissions)}`] : []), ...(hasOtherText ? ['description'] : [])];
    return details.length === 0 ? [] : step('roles', 'change', wanted.name, details, perform('role.edit', { role: wanted.name, ...(hasOther && { permissions: wanted.permissions }), ...(hasOtherText && { description: wanted.description }) }));
  });
}

export function planUsers(wish: Wish): Step[] {
  return entries(wish, 'users').flatMap(({ wanted, given }) => {
    const name = fullUser(wanted.name);
    const { password, passwordHash, roles } = wanted;
    const unknown = unknownRoles(wish, roles);
    if (unknown.length > 0) return step('users', 'conflict', name, unknown);
    const secret = password === undefined ? passwordHash === undefined ? {} : { passwordHash } : { password };
    const known = wish.current.users.find((user) => user.name === name);
    if (!known) {
      const cannot = Object.keys(secret).length === 0 ? ['Cannot sign in until a password is set.'] : [];
      return step('users', 'create', name, [`roles: ${list(roles)}`, ...cannot], perform('user.create', { name, roles, ...secret }));
    }
    const hasOtherRoles = 'roles' in given && !isSame(known.roles, roles);
    const hasOtherPassword = wish.otherPasswords.has(name);
    if (!hasOtherRoles && !hasOtherPassword) return [];
    const details = [...(hasOtherRoles ? [`roles: ${list(known.roles)} -> ${list(roles)}`] : []), ...(hasOtherPassword ? ['password'] : [])];
    return step('users', 'change', name, details, perform('user.edit', { user: name, ...(hasOtherRoles && { roles }), ...(hasOtherPassword && secret) }));
  });
}

export function planGroups(wish: Wish): Step[] {
  const { site, current } = wish;
  const users = new Set([...site.users, ...current.users].map(({ name }) => fullUser(name)));
  return entries(wish, 'groups').flatMap(({ wanted, given }) => {
    const { name, description, roles } = wanted;
    const members = wanted.members.map(fullUser);
    const unknown = [...unknownRoles(wish, roles), ...members.filter((member) => !users.has(member)).map((member) => `There is no user "${member}".`)];
    if (unknown.length > 0) return step('groups', 'conflict', name, unknown);
    const is = current.groups.find((group) => group.name === name);
    if (!is) return step('groups', 'create', name, [`roles: ${list(roles)}`, `members: ${list(members)}`], perform('group.create', { name, description, roles, members }));
    const changes = {
      ...('roles' in given && !isSame(is.roles, roles) && { roles }),
      ...('members' in given && !isSame(is.members, members) && { members }),
      ...('description' in given && is.description !== description && { description }),
    };
    const details = [
      ...('roles' in changes ? [`roles: ${list(is.roles)} -> ${list(roles)}`] : []),
      ...('members' in changes ? [`members: ${list(is.members)} -> ${list(members)}`] : []),
      ...('description' in changes ? ['description'] : []),
    ];
    return details.length === 0 ? [] : step('groups', 'change', name, details, perform('group.edit', { group: is.id, ...changes }));
  });
}

/** Before anything is made that would count. */
export function planQuotas(wish: Wish): Step[] {
  const { site, current } = wish;
  const users = new Set([...site.users, ...current.users].map(({ name }) => fullUser(name)));
  const groups = new Set([...site.groups, ...current.groups].map(({ name }) => name));
  return entries(wish, 'quotas').flatMap(({ wanted, given }) => {
    const holder = wanted.user === undefined ? { group: wanted.group ?? '' } : { user: fullUser(wanted.user) };
    const title = holder.user ?? holder.group;
    if (holder.user === undefined ? !groups.has(holder.group) : !users.has(holder.user)) return step('quotas', 'conflict', title, [`There is no ${holder.user === undefined ? 'group' : 'user'} "${title}".`]);
    const is = current.quotas.find(({ user, group }) => (holder.user === undefined ? group === holder.group : user === holder.user));
    if (!is) return step('quotas', 'create', title, [], perform('quota.create', { ...wanted, ...holder }));
    const { changes, details } = differences(['vcpus', 'memoryBytes', 'diskBytes', 'gracePercent', 'mode'], { wanted, given, is });
    return details.length === 0 ? [] : step('quotas', 'change', title, details, perform('quota.edit', { quota: is.id, ...changes }));
  });
}

/** After everything that can be named has been made. */
export function planAccess(wish: Wish): Step[] {
  return wish.site.access.flatMap(({ user, group, role, kind, object }) => {
    const title = `${user ?? group} on ${kind} "${object}"`;
    const unknown = unknownRoles(wish, [role]);
    if (unknown.length > 0) return step('access', 'conflict', title, unknown);
    const isThere = wish.current.access.some((is) => is.role === role && is.kind === kind && (is.object === object || is.objectId === object) && (user === undefined ? is.group === group : is.user === fullUser(user)));
    return isThere ? [] : step('access', 'create', title, [`role: ${role}`], perform('assignment.create', { ...(user === undefined ? { group } : { user: fullUser(user) }), role, kind, object }));
  });
}
