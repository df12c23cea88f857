/**
 * A page: an address, the operations that it reads, and a view. `appliance/http/pages.ts` serves it.
 *
 * A page has no rights of its own: `load` reads through operation records, with the permission check of each.
 * A page that lacks a right shows the problem in its place; without a session it leads to sign-in.
 */
import type { Child } from 'hono/jsx';
import type * as z from 'zod';
import type { ObjectRef } from '../appliance/core/objects.ts';
import type { AnyOperation, Read } from '../appliance/core/operation.ts';
import type { Ui } from './context.ts';

export interface PageCall {
  /** Runs a reading operation as the signed-in person. */
  // biome-ignore lint/suspicious/noExplicitAny: which services a record needs is no business of a page
  read<I extends z.ZodObject, O extends z.ZodType>(operation: Read<any, I, O>, input: z.input<I>): Promise<z.output<O>>;
  /** On that thing, or, where none is named, on anything. */
  can(permission: string, object?: ObjectRef): boolean;
  /** The person sees only what they were given. */
  isLimited: boolean;
  /** True until the first password is set. */
  needsSetup: boolean;
}

export interface PageRequest {
  params: Record<string, string>;
  query: Record<string, string>;
}

export interface Page<D = unknown> {
  /** With `{parameters}`, such as `/vms/{vm}`. */
  path: string;
  /** `bare` pages come before sign-in, all others lead there; `fragment` is a part of a page; `full` fills the window. */
  frame?: 'bare' | 'fragment' | 'full';
  /** The operation whose form the page is; who may not run it does not get the page. */
  offers?: AnyOperation;
  /** Kinds of things whose change makes the page fetch itself again. */
  live?: string[];
  title(data: D, ui: Ui): string;
  load(call: PageCall, request: PageRequest): Promise<D> | D;
  view(data: D, ui: Ui): Child;
}

export type AnyPage = Page<unknown>;

/** Checks that `view` fits `load`; changes nothing. */
export function definePage<D>(page: Page<D>): AnyPage {
  return page as unknown as AnyPage; // the server passes to `view` only what `load` returned
}
