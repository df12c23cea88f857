/** Who may do what: permissions, and the roles that are made of them. Pure. */

/** Every permission, with what it allows in the words of the people who grant it. */
export const permissions = {
  'vm.read': 'See virtual machines and their use of resources',
  'vm.create': 'Create virtual machines',
  'vm.edit': 'Change the hardware and settings of virtual machines',
  'vm.delete': 'Delete virtual machines',
  'vm.operate': 'Start, stop, pause and restart virtual machines',
  'vm.console': 'Use the screen, keyboard and serial port of virtual machines',
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
  'host.power': 'Shut down and restart the host',
  'site.read': 'See the site file, what it would change, and export it',
  'site.apply': 'Apply a site file: as much as all other permissions together',
  'update.read': 'See which versions are installed',
  'update.install': 'Install updates and restart the host into them',
  'task.read': 'See tasks',
  'task.cancel': 'Cancel tasks',
  'event.read': 'See events',
  'audit.read': 'See who did what',
  'user.read': 'See users, sessions and tokens',
  'user.edit': 'Change users, sessions and tokens of others',
  'token.create': 'Create API tokens for oneself',
  'self.edit': 'Sign out and change the own password',
  'metrics.read': 'Read metrics',
  /** Only through the local socket of root: never part of a role. */
  'local.root': 'What only root on this machine may ask',
} as const satisfies Record<string, string>;

export type Permission = keyof typeof permissions;
export const allPermissions = Object.keys(permissions) as Permission[]; // the keys are exactly the union

export type Role = 'administrator' | 'operator' | 'observer';

const reading = allPermissions.filter((permission) => permission.endsWith('.read') && !['audit.read', 'user.read', 'site.read'].includes(permission));

const rolePermissions: Record<Role, readonly Permission[]> = {
  administrator: allPermissions.filter((permission) => permission !== 'local.root'),
  operator: [...reading, 'vm.operate', 'vm.console', 'iso.upload', 'self.edit'],
  observer: [...reading, 'self.edit'],
};

export function permissionsOf(roles: readonly Role[]): Set<Permission> {
  return new Set(roles.flatMap((role) => rolePermissions[role]));
}

/** A token can do what both its owner and its own list allow. */
export function restrict(owner: ReadonlySet<string>, limit: readonly string[] | null): Set<string> {
  return new Set(limit === null ? owner : limit.filter((permission) => owner.has(permission)));
}

/** Roles as the API names them. */
export const roles = Object.keys(rolePermissions) as [Role, ...Role[]]; // the keys are exactly the union

/** Whether signing in with this hash can succeed and costs no more than it should: scrypt with at least our own cost and at most 64 MiB. */
export function isPasswordHash(text: string): boolean {
  const match = /^scrypt\$(\d{1,7})\$(\d{1,2})\$(\d)\$([A-Za-z0-9+/]{16,88}={0,2})\$([A-Za-z0-9+/]{43})=$/.exec(text);
  if (!match) return false;
  const [n, r, p] = [match[1], match[2], match[3]].map(Number) as [number, number, number]; // as the pattern says
  return n >= 2 ** 15 && (n & (n - 1)) === 0 && r >= 8 && 128 * n * r < 64 * 1024 * 1024 && p >= 1 && p <= 4;
}

/** 12 to 256 characters, and not all the same: length is what protects; classes of characters only annoy. */
export function passwordFault(password: string): string | undefined {
  if (password.length < 12) return 'Use at least 12 characters. A few unrelated words are easy to remember.';
  if (password.length > 256) return 'Use at most 256 characters.';
  if (new Set(password).size < 5) return 'This password repeats itself too much. Use a few unrelated words.';
  return undefined;
}
