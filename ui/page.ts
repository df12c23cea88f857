/**
 * A page: an address, the operations that it reads, and a view. `appliance/http/pages.tsx` serves it.
 *
 * A page has no rights of its own: `load` reads through operation records, with the permission check of each.
 * A page that lacks a right shows the problem in its place; without a session it leads to sign-in.
 */
import type { JSX } from 'hono/jsx/jsx-runtime';
import type * as z from 'zod';
import type { Read } from '../appliance/core/operation.ts';

export interface PageCall {
  /** Runs a reading operation as the signed-in person; `services` are bound by the composition root. */
  // biome-ignore lint/suspicious/noExplicitAny: which services a record needs is no business of a page
  read<I extends z.ZodObject, O extends z.ZodType>(operation: Read<any, I, O>, input: z.input<I>): Promise<z.output<O>>;
  can(permission: string): boolean;
}

export interface PageRequest {
  params: Record<string, string>;
  query: Record<string, string>;
}

export interface Page<D = unknown> {
  /** With `{parameters}`, such as `/vms/{vm}`. */
  path: string;
  /** Shown before sign-in (set-up, sign-in); all others lead there. */
  isPublic?: boolean;
  load(call: PageCall, request: PageRequest): Promise<D> | D;
  /** The whole page (`Shell` or `Bare`), or a fragment. */
  view(data: D): JSX.Element;
}

/** Checks that `view` fits `load`; changes nothing. */
export function definePage<D>(page: Page<D>): Page {
  return page as unknown as Page; // the server passes to `view` only what `load` returned
}
