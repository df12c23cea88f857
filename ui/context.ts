/**
 * What every component may need to know about the request that it is rendered for: language, person, asset addresses.
 * Set once around a page by `renderPage` and around a fragment by the answers; read with `useUi()`.
 */
import { createContext, useContext } from 'hono/jsx';
import type { ObjectRef } from '../appliance/core/objects.ts';
import { makeTranslator, type Translator } from './text.ts';

export interface Ui extends Translator {
  /** The signed-in user as shown, such as `admin@internal`; empty before sign-in. */
  user: string;
  /** Token that every writing request carries in `X-CSRF-Token`; empty where the server asks for none. */
  csrf: string;
  /** True where the user's roles hold the permission on that thing, or, where none is named, on anything; decides what is shown, never what is allowed. */
  can(permission: string, object?: ObjectRef): boolean;
  /** The user sees only what they were given. */
  isLimited: boolean;
  /** They sit at another machine. */
  isRemote: boolean;
  /** All that `can` allows of that thing, as one word: the same for people who are shown the same. */
  rights(object?: ObjectRef): string;
  /** Address of a static file, with a version that changes with its content. */
  asset(name: string): string;
  /** The path of the page being shown, such as `/vms/web-1`. */
  path: string;
  /** Number in the change feed before anything was read for this page: later changes may not be in it. */
  seq: number;
}

export const UiContext = createContext<Ui>({
  ...makeTranslator('en'),
  user: '',
  csrf: '',
  can: () => true,
  isLimited: false,
  isRemote: false,
  rights: () => '',
  asset: (name) => `/static/${name}`,
  path: '/',
  seq: 0,
});

export const useUi = (): Ui => useContext(UiContext);
