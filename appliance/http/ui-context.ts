/** What the components need to know of a request: language, person, asset addresses. */
import type { Context } from 'hono';
import { getCookie } from 'hono/cookie';
import { chooseLocale, makeTranslator } from '../../ui/text.ts';
import type { Ui } from '../../ui/context.ts';
import type { SignedIn } from '../auth/people.ts';
import type { Assets } from './assets.ts';

export function uiOf(context: Context, who: SignedIn, assets: Assets): Ui {
  const { actor } = who;
  return {
    ...makeTranslator(chooseLocale(getCookie(context, 'bothy_locale'), context.req.header('accept-language'))),
    user: actor.credential === '' ? '' : actor.name,
    csrf: who.csrfToken ?? '',
    can: (permission) => actor.permissions.has(permission),
    asset: assets.address,
    path: context.req.path,
  };
}
