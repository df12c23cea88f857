/** What goes in and out of the verbs of this slice. */
import * as z from 'zod';
import { refSchema } from '../core/id.ts';
import { allPermissions, grantable, isPasswordHash, objectKinds, passwordFault } from './rules.ts';

export const Password = z.string().max(256).meta({ label: 'Password', widget: 'password', help: 'At least 12 characters. A few unrelated words are easy to remember.' });

export const SetupInput = z.object({
  code: z.string().trim().min(1).max(32).meta({ label: 'Set-up code', help: 'The appliance shows it on its own screen. On the machine itself, `bothy setup-code` prints it.' }),
  password: Password.meta({ label: 'New password' }),
});

/** Or a recovery code, however it was typed. */
const TotpCode = z.string().max(64).transform((code) => code.replaceAll(/[\s-]/g, '').toUpperCase()).pipe(z.string().regex(/^(\d{6}|[A-HJ-NP-Z2-9]{10})$/, 'Six digits, or a recovery code.')).meta({ label: 'Code', help: 'The six digits that the app shows now, or a recovery code.' });

export const LoginInput = z.object({
  user: z.string().trim().min(1).max(128).default('admin@internal').meta({ label: 'User', help: 'Your name; @internal may be left out.' }),
  password: z.string().min(1).max(256).meta({ label: 'Password', widget: 'password', help: 'Who has lost it asks an administrator, or somebody at the box.' }),
  code: TotpCode.optional().meta({ label: 'Code', help: 'Only if you use one: the six digits that the app on your phone shows, or a recovery code.' }),
});

export const UserOutput = z.object({
  id: z.uuid(),
  name: z.string(),
  /** Names of the roles on the whole appliance; what their groups have comes to it. */
  roles: z.array(z.string()),
  groups: z.array(z.string()),
  /** False for a user who cannot sign in before a password is set. */
  hasPassword: z.boolean(),
  /** Signing in needs a code of the user's phone. */
  hasTotp: z.boolean(),
  /** After too many wrong passwords. */
  isLocked: z.boolean(),
  /** When the lock ends by itself; null when there is none, or it lasts until somebody undoes it. */
  lockedUntil: z.number().int().nullable(),
  createdAt: z.number().int(),
  generation: z.number().int(),
});
export const UserPage = z.object({ items: z.array(UserOutput), next: z.null() });

/** `admin` is short for `admin@internal`. */
const UserName = z.string().trim().toLowerCase()
  .regex(/^[a-z0-9][a-z0-9._-]{0,63}(@internal)?$/, 'Lower-case letters, digits, dot, dash and underscore; the directory, if given, is @internal.')
  .meta({ label: 'Name', help: 'What the user signs in with.' });
const RoleRef = z.string().trim().min(1).max(64).meta({ label: 'Role', help: 'What it allows, on this thing alone.' });
const Roles = z.array(RoleRef).max(32).meta({ label: 'Roles', widget: 'set', help: 'Names of roles, on the whole appliance. Without any a user sees only what they are given one by one.' });

/** A good password, or the hash of one: `bothy site hash-password` makes it. */
const passwordFields = {
  password: z.string().max(256, 'Use at most 256 characters.')
    .superRefine((password, context) => {
      const fault = passwordFault(password);
      if (fault) context.addIssue({ code: 'custom', message: fault });
    })
    .optional().meta({ label: 'Password', widget: 'password', secret: true, help: 'At least 12 characters. A few unrelated words are easy to remember.' }),
  passwordHash: z.string().refine(isPasswordHash, 'This is no password hash of Bothy. Make one with "bothy site hash-password".')
    .optional().meta({ label: 'Password hash', secret: true, help: 'Instead of the password.' }),
};
const isOneAtMost = (user: { password?: string | undefined; passwordHash?: string | undefined }) => user.password === undefined || user.passwordHash === undefined;
const notBoth = { path: ['passwordHash'], message: 'Give the password or its hash, not both.' };

export const UserCreateInput = z.object({ name: UserName, roles: Roles.default([]), ...passwordFields }).refine(isOneAtMost, notBoth);
export const UserInput = z.object({ user: refSchema.max(128).meta({ label: 'User' }) });
export const UserEditInput = UserInput.extend({ roles: Roles.optional(), ...passwordFields }).refine(isOneAtMost, notBoth);

export const SessionOutput = z.object({
  id: z.string(),
  user: z.string(),
  permissions: z.array(z.string()),
  /** To be sent back as `x-csrf-token` with every change that the session's cookie authorises; absent for tokens. */
  csrfToken: z.string().optional(),
  expiresAt: z.number().int().optional(),
});

export const SessionItem = z.object({
  id: z.string(), user: z.string(), from: z.string(), createdAt: z.number().int(), lastSeenAt: z.number().int(), isThisOne: z.boolean(),
});

export const TokenInput = z.object({
  name: z.string().trim().min(1).max(64).meta({ label: 'Name', help: 'What will use it.' }),
  permissions: z.array(z.enum(allPermissions)).optional().meta({ label: 'Permissions', widget: 'set', help: 'Leave empty for all that you may do.' }),
  validDays: z.number().int().min(1).max(3650).optional().meta({ label: 'Valid for', unit: 'd', help: 'So many days from now on. Leave empty for: until it is deleted.' }),
  expiresAt: z.number().int().optional().meta({ label: 'Valid until', help: 'Milliseconds since 1970. Without it, until it is deleted.' }),
}).refine(({ validDays, expiresAt }) => validDays === undefined || expiresAt === undefined, { path: ['validDays'], message: 'Give the days or the time, not both.' });

export const TokenOutput = z.object({
  id: z.uuid(),
  name: z.string(),
  user: z.string(),
  /** None: everything. */
  permissions: z.array(z.string()).nullable(),
  /** Its owner may do something that it may not. */
  isLimited: z.boolean(),
  createdAt: z.number().int(),
  expiresAt: z.number().int().nullable(),
  lastUsedAt: z.number().int().nullable(),
});

export const NewTokenOutput = TokenOutput.extend({
  /** Shown this once; only its hash is kept. */
  token: z.string(),
});

export const ResetPasswordInput = z.object({
  name: z.string().trim().min(1).max(253).meta({ label: 'Name of this machine', help: 'Type it to confirm. The password stops working at once, and everybody who signed in with it is signed out.' }),
});

export const ChangePasswordInput = z.object({
  currentPassword: z.string().min(1).max(256).meta({ label: 'Current password', widget: 'password', help: 'The one that you signed in with.' }),
  password: Password.meta({ label: 'New password' }),
});

export const TotpBeginInput = z.object({ currentPassword: z.string().min(1).max(256).meta({ label: 'Current password', widget: 'password', help: 'The one that you signed in with.' }) });
export const TotpCodeInput = z.object({ code: TotpCode });
export const TotpOutput = z.object({
  isOn: z.boolean(),
  /** For the app, as text and as what its QR code says; only until it is confirmed. */
  secret: z.string().nullable(),
  uri: z.string().nullable(),
  /** How many recovery codes are left. */
  recoveryCodesLeft: z.int(),
  /** Shown once, where they are made. */
  recoveryCodes: z.array(z.string()).nullable(),
});

export const SignInRulesInput = z.object({
  minimumLength: z.int().min(12, 'At least 12.').max(64, 'At most 64.').optional().meta({ label: 'Shortest password', help: 'Characters of a new password. Those that are set stay.' }),
  lockAfter: z.int().min(0).max(100).refine((tries) => tries === 0 || tries >= 3, 'At least 3, or 0 for never.').optional().meta({ label: 'Lock after', help: 'Wrong passwords in a row; 0 for never. Each try after the fifth must wait in any case, twice as long each time.' }),
  lockMinutes: z.int().min(0).max(7 * 24 * 60).optional().meta({ label: 'Minutes locked', help: '0: until an administrator, or somebody at the box, undoes it.' }),
  idleMinutes: z.int().min(10, 'At least 10.').max(30 * 24 * 60).optional().meta({ label: 'Minutes until a session ends', help: 'Without use. At the latest every session ends after 30 days.' }),
});
export const SignInRulesOutput = z.object({ minimumLength: z.int(), lockAfter: z.int(), lockMinutes: z.int(), idleMinutes: z.int(), generation: z.int() });

// ------------------------------------------------------------------------------------------------ roles, groups, assignments

const slug = /^[a-z0-9][a-z0-9._-]{0,63}$/;
const Slug = z.string().trim().toLowerCase().regex(slug, 'Lower-case letters, digits, dot, dash and underscore.');
const Description = z.string().trim().max(1000).meta({ label: 'Description', help: 'What it is for.', widget: 'textarea' });
const Permissions = z.array(z.enum(grantable)).min(1, 'At least one permission.').meta({ label: 'Permissions', widget: 'set', help: 'What who holds this role may do.' });

export const RoleInput = z.object({ role: RoleRef });
export const RoleCreateInput = z.object({ name: Slug.meta({ label: 'Name', help: 'Refers to the role from then on; it cannot be changed.' }), description: Description.default(''), permissions: Permissions });
export const RoleEditInput = RoleInput.extend({ description: Description.optional(), permissions: Permissions.optional() });
export const RoleOutput = z.object({
  name: z.string(),
  description: z.string(),
  permissions: z.array(z.string()),
  /** Always there, and cannot be changed. */
  isPredefined: z.boolean(),
  /** Kinds of single things on which it allows something. */
  kinds: z.array(z.enum(objectKinds)),
  generation: z.number().int(),
});
export const RolePage = z.object({ items: z.array(RoleOutput), next: z.null() });

const GroupName = Slug.meta({ label: 'Name', help: 'Lower-case letters, digits, dot, dash and underscore.' });
const Members = z.array(refSchema.max(128)).max(1000).meta({ label: 'Members', widget: 'set', help: 'Names of users.' });
export const GroupInput = z.object({ group: refSchema.meta({ label: 'Group' }) });
export const GroupCreateInput = z.object({ name: GroupName, description: Description.default(''), roles: Roles.default([]), members: Members.default([]) });
export const GroupEditInput = GroupInput.extend({ description: Description.optional(), roles: Roles.optional(), members: Members.optional() });
export const GroupOutput = z.object({
  id: z.uuid(), name: z.string(), description: z.string(), roles: z.array(z.string()), members: z.array(z.string()), createdAt: z.number().int(), generation: z.number().int(),
});
export const GroupPage = z.object({ items: z.array(GroupOutput), next: z.null() });

const Kind = z.enum(objectKinds).meta({ label: 'Kind', help: 'Of the thing.' });
const ObjectName = z.string().min(1).max(64).meta({ label: 'Thing', help: 'Its name or id.' });

/** Whom a role is given to: a user or a group. */
export const holderFields = {
  user: refSchema.max(128).optional().meta({ label: 'User', help: 'The name that the user signs in with.' }),
  group: refSchema.optional().meta({ label: 'Group', help: 'Instead of a user.' }),
};
export const isOneHolder = ({ user, group }: { user?: string | undefined; group?: string | undefined }) => (user === undefined) !== (group === undefined);
export const oneHolder = { path: ['user'], message: 'Name a user or a group, not both.' };
export const AssignmentCreateInput = z.object({ ...holderFields, role: RoleRef, kind: Kind, object: ObjectName })
  .refine(isOneHolder, oneHolder);
export const AssignmentListInput = z.object({ kind: Kind.optional(), object: ObjectName.optional() });
export const AssignmentInput = z.object({ assignment: z.uuid() });
export const AssignmentOutput = z.object({
  id: z.uuid(),
  user: z.string().nullable(),
  group: z.string().nullable(),
  role: z.string(),
  kind: z.enum(objectKinds),
  objectId: z.string(),
  /** Its name; its id when it cannot be found now. */
  object: z.string(),
  createdAt: z.number().int(),
});
export const AssignmentPage = z.object({ items: z.array(AssignmentOutput), next: z.null() });
