/** Who may do what to which things: permissions, the things on which they are held, and the roles that are made of them. Pure. */

/** Every permission, with what it allows in the words of the people who grant it. */
export const permissions = {
  'vm.read': 'See virtual machines and their use of resources',
  'vm.create': 'Create virtual machines',
  'vm.edit': 'Change the hardware and settings of virtual machines',
  'vm.delete': 'Delete virtual machines',
  'vm.operate': 'Start, stop, pause and restart virtual machines',
  'vm.snapshot': 'Take, preview and delete snapshots of virtual machines',
  'vm.console': 'Use the screen, keyboard and serial port of virtual machines',
  'template.read': 'See templates',
  'template.use': 'Create virtual machines from templates',
  'template.create': 'Make templates of virtual machines',
  'template.edit': 'Rename templates and make new versions of them',
  'template.delete': 'Delete templates',
  'pool.read': 'See pools of virtual machines',
  'pool.use': 'Take virtual machines out of pools and give them back',
  'pool.create': 'Create pools of virtual machines',
  'pool.edit': 'Change pools of virtual machines',
  'pool.delete': 'Delete pools of virtual machines',
  'disk.read': 'See disks',
  'disk.create': 'Create disks',
  'disk.edit': 'Rename and enlarge disks',
  'disk.delete': 'Delete disks',
  'disk.transfer': 'Upload and download the content of disks',
  'storage.read': 'See storage domains',
  'storage.edit': 'Change storage domains and their limits',
  'iso.read': 'See and download installation images',
  'iso.upload': 'Upload installation images',
  'iso.delete': 'Delete installation images',
  'network.read': 'See networks',
  'network.edit': 'Create, change and delete networks',
  'host.read': 'See the host, its hardware and its health',
  'host.edit': 'Change the name, time and SSH keys of the host',
  'host.pass-device': 'Give devices of the host to virtual machines',
  'host.power': 'Shut down and restart the host',
  'site.read': 'See the site file, what it would change, and export it',
  'site.apply': 'Apply a site file: as much as all other permissions together',
  'update.read': 'See which versions are installed',
  'update.install': 'Install updates and restart the host into them',
  'task.read': 'See tasks',
  'task.cancel': 'Cancel tasks',
  'event.read': 'See events',
  'history.edit': 'Change how long history is kept and where events are sent',
  'report.read': 'See and download reports of the use',
  'audit.read': 'See who did what',
  'user.read': 'See users, groups, roles, sessions and tokens',
  'user.edit': 'Change users, groups, roles, sessions and tokens of others',
  'access.read': 'See who holds roles on single things',
  'access.edit': 'Give others roles on single things',
  'network.use': 'Connect virtual machines to networks',
  'token.create': 'Create API tokens for oneself',
  'self.edit': 'Sign out, change the own password, end own sessions, delete own tokens',
  'metrics.read': 'Read metrics',
  /** Only through the local socket of root: never part of a role. */
  'local.root': 'What only root on this machine may ask',
} as const satisfies Record<string, string>;

export type Permission = keyof typeof permissions;
export const allPermissions = Object.keys(permissions) as Permission[]; // the keys are exactly the union
/** What a role may be made of. */
export const grantable = allPermissions.filter((permission) => permission !== 'local.root');

// ------------------------------------------------------------------------------------------------ things

/** Kinds of things on which roles are given; a role on one of them holds on all that belongs to it. */
export const objectKinds = ['vm', 'template', 'pool', 'disk', 'storage-domain', 'network'] as const;
export type ObjectKindName = (typeof objectKinds)[number];

/** Parameters of paths that name such a thing. */
const kindsOfParameters: Record<string, ObjectKindName> = { vm: 'vm', template: 'template', pool: 'pool', disk: 'disk', domain: 'storage-domain', network: 'network' };

/** The thing that an operation is about: what the first parameter of its path names. */
export function kindOfPath(path: string): { kind: ObjectKindName; parameter: string } | undefined {
  const parameter = /\{(\w+)\}/.exec(path)?.[1] ?? '';
  const kind = kindsOfParameters[parameter];
  return kind && { kind, parameter };
}

const families: Record<ObjectKindName, readonly string[]> = {
  vm: ['vm', 'disk', 'task', 'event', 'access'],
  template: ['template', 'disk', 'task', 'event', 'access'],
  pool: ['pool', 'vm', 'disk', 'task', 'event', 'access'],
  disk: ['disk', 'task', 'event', 'access'],
  'storage-domain': ['storage', 'disk', 'iso', 'task', 'event', 'access'],
  network: ['network', 'task', 'event', 'access'],
};
/** What is made belongs to nothing yet, or to what it is made in. */
const notOn: Partial<Record<Permission, readonly ObjectKindName[]>> = { 'vm.create': ['vm', 'pool'], 'disk.create': ['vm', 'template', 'pool', 'disk'], 'template.create': ['template'], 'pool.create': ['pool'] };

/** Whether that permission can be held on a thing of that kind: on it, or on what belongs to it. */
export function appliesTo(permission: Permission, kind: ObjectKindName): boolean {
  return families[kind].includes(permission.split('.')[0] ?? '') && !notOn[permission]?.includes(kind);
}

/** Seeing a thing at all. */
export const readPermissionOf: Record<ObjectKindName, Permission> = { vm: 'vm.read', template: 'template.read', pool: 'pool.read', disk: 'disk.read', 'storage-domain': 'storage.read', network: 'network.read' };

// ------------------------------------------------------------------------------------------------ roles

/** The roles that are always there. Own ones are made beside them. */
export const roles = [
  'administrator', 'operator', 'observer', 'vm-administrator', 'storage-administrator', 'network-administrator', 'host-administrator',
  'power-user', 'vm-owner', 'vm-user', 'template-owner', 'template-user', 'pool-owner', 'pool-user', 'disk-owner', 'disk-creator', 'network-user',
] as const;
export type Role = (typeof roles)[number];

const reading = allPermissions.filter((permission) => permission.endsWith('.read') && !['audit.read', 'user.read', 'site.read', 'access.read'].includes(permission));
const following: Permission[] = ['task.read', 'event.read'];
const sharing: Permission[] = ['access.read', 'access.edit', ...following, 'task.cancel'];
const of = (...families: string[]) => grantable.filter((permission) => families.includes(permission.split('.')[0] ?? ''));

const rolePermissions: Record<Role, readonly Permission[]> = {
  administrator: grantable,
  operator: [...reading, 'vm.operate', 'vm.console', 'iso.upload'],
  observer: reading,
  'vm-administrator': [...of('vm', 'template', 'pool', 'disk', 'iso'), 'storage.read', 'network.read', 'network.use', 'token.create', ...sharing],
  'storage-administrator': [...of('storage', 'disk', 'iso'), ...sharing],
  'network-administrator': [...of('network'), ...sharing],
  'host-administrator': [...of('host', 'update'), 'metrics.read', ...following, 'task.cancel'],
  'power-user': ['vm.create', 'disk.create', 'template.create', 'template.read', 'template.use', 'storage.read', 'iso.read', 'network.read', 'network.use', 'token.create'],
  'vm-owner': [...of('vm').filter((permission) => permission !== 'vm.create'), ...of('disk').filter((permission) => permission !== 'disk.create'), ...sharing],
  'vm-user': ['vm.read', 'vm.operate', 'vm.console', ...following],
  'template-owner': [...of('template').filter((permission) => permission !== 'template.create'), 'disk.read', 'disk.transfer', ...sharing],
  'template-user': ['template.read', 'template.use', ...following],
  'pool-owner': [...of('pool').filter((permission) => permission !== 'pool.create'), 'vm.read', 'vm.operate', 'vm.console', 'disk.read', ...sharing],
  // Not what happens to its machines: they are others'. Who takes one holds a role on that one.
  'pool-user': ['pool.read', 'pool.use'],
  'disk-owner': [...of('disk').filter((permission) => permission !== 'disk.create'), ...sharing],
  'disk-creator': ['storage.read', 'disk.create'],
  'network-user': ['network.read', 'network.use'],
};

/** What who makes such a thing holds on it from then on, unless they hold as much on everything. */
export const ownerRoles: Partial<Record<string, Role>> = { vm: 'vm-owner', template: 'template-owner', pool: 'pool-owner', disk: 'disk-owner' };

export const isPredefined = (name: string): name is Role => (roles as readonly string[]).includes(name);

/** Of the predefined ones among `names`. Everybody who is signed in may sign out. */
export function permissionsOf(names: readonly string[], own: (name: string) => readonly Permission[] = () => []): Set<Permission> {
  return new Set<Permission>(['self.edit', ...names.flatMap((name) => (isPredefined(name) ? rolePermissions[name] : own(name)))]);
}

/** A token can do what both its owner and its own list allow. */
export function restrict(owner: ReadonlySet<string>, limit: readonly string[] | null): Set<string> {
  return new Set(limit === null ? owner : limit.filter((permission) => owner.has(permission)));
}

/** Whether signing in with this hash can succeed and costs no more than it should: scrypt with at least our own cost and at most 64 MiB. */
export function isPasswordHash(text: string): boolean {
  const match = /^scrypt\$(\d{1,7})\$(\d{1,2})\$(\d)\$([A-Za-z0-9+/]{16,88}={0,2})\$([A-Za-z0-9+/]{43})=$/.exec(text);
  if (!match) return false;
  const [n, r, p] = [match[1], match[2], match[3]].map(Number) as [number, number, number]; // as the pattern says
  return n >= 2 ** 15 && (n & (n - 1)) === 0 && r >= 8 && 128 * n * r < 64 * 1024 * 1024 && p >= 1 && p <= 4;
}

export interface SignInRules {
  /** Of a new password, in characters. */
  minimumLength: number;
  /** Wrong passwords in a row; 0 for never. */
  lockAfter: number;
  /** How long the lock lasts; 0 until somebody undoes it. */
  lockMinutes: number;
  /** A session that is not used for so long has ended. */
  idleMinutes: number;
}

export const defaultSignInRules: SignInRules = { minimumLength: 12, lockAfter: 10, lockMinutes: 60, idleMinutes: 720 };

/** Until when a lock lasts; `undefined` when there is none or it is over. */
export function lockedUntil(lockedAt: number | null, { lockMinutes }: Pick<SignInRules, 'lockMinutes'>, now: number): number | undefined {
  if (lockedAt === null) return undefined;
  const end = lockMinutes === 0 ? Number.POSITIVE_INFINITY : lockedAt + lockMinutes * 60_000;
  return end > now ? end : undefined;
}

/** 12 to 256 characters, not all the same, and not around the user's name: length is what protects; classes of characters only annoy. */
export function passwordFault(password: string, { minimum = defaultSignInRules.minimumLength, userName = '' }: { minimum?: number; userName?: string } = {}): string | undefined {
  if (password.length < minimum) return `Use at least ${minimum} characters. A few unrelated words are easy to remember.`;
  const name = userName.replace(/@.*$/, '').toLowerCase();
  if (name.length >= 4 && password.toLowerCase().includes(name) && password.length - name.length < minimum - 4) return 'Little of this password is more than the name of the user. Use a few unrelated words.';
  if (password.length > 256) return 'Use at most 256 characters.';
  if (new Set(password).size < 5) return 'This password repeats itself too much. Use a few unrelated words.';
  return undefined;
}
