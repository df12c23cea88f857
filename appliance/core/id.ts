/** Identity: random UUIDs, branded by what they identify, so that a disk's id cannot be passed for a VM's. */
import { randomUUID } from 'node:crypto';
import * as z from 'zod';

export type Id<Kind extends string> = string & { readonly idOf: Kind };

export function newId<Kind extends string>(): Id<Kind> {
  return randomUUID() as Id<Kind>; // the brand exists only in the type
}

const uuidPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

export function isId(text: string): boolean {
  return uuidPattern.test(text);
}

/**
 * A name that people give: 1 to 64 characters, starts with a letter or digit, then letters, digits, space, `.`, `_`, `-`.
 * Never a slash, a control character, a leading dash or dot; never a UUID, because paths accept both.
 */
export const nameSchema = z
  .string()
  .trim()
  .min(1, 'Give it a name.')
  .max(64, 'At most 64 characters.')
  .regex(/^[\p{L}\p{N}][\p{L}\p{N}\p{M} ._-]*$/u, 'Start with a letter or digit; then letters, digits, space, dot, dash and underscore.')
  .refine((name) => !isId(name), 'A name may not look like an id.');

/** A reference in a path: an id or a name. */
export const refSchema = z.string().min(1).max(64);
