/**
 * What is known of each request: its id, who asks, from where, in which language. Found out once, on arrival, and kept with
 * the request.
 */
import { randomUUID } from 'node:crypto';
import { isRemote } from '../core/remote.ts';
import { getConnInfo } from '@hono/node-server/conninfo';
import type { Context } from 'hono';
import { getCookie } from 'hono/cookie';
import { chooseLocale, makeTranslator, type Translator } from '../../ui/text.ts';
import type { Ui } from '../../ui/context.ts';
import type { Auth } from '../auth/auth.ts';
import type { SignedIn } from '../auth/people.ts';
import type { ObjectRef } from '../core/objects.ts';
import type { Actor, Call } from '../core/operation.ts';
import type { Problem } from '../core/problem.ts';
import type { Core } from '../core/services.ts';
import type { Assets } from './assets.ts';
import { authenticate, type Door, nobody, requireOwnOrigin, seatOf } from './authenticate.ts';

export interface Known {
  who: SignedIn;
  call: Call;
}

export interface Requests {
  idOf(context: Context): string;
  /** Who asks; throws when the credential is wrong or a change did not come from our own pages. */
  callOf(context: Context): Known;
  uiOf(context: Context): Ui;
  /** In the language that was chosen on the pages, or that the request asks for. */
  translatorOf(context: Context): Translator;
  /** Logs what the client is not told. */
  report(context: Context, problem: Problem, thrown: unknown): void;
}

export interface RequestsOptions {
  core: Core;
  auth: Auth;
  assets: Assets;
  door: Door;
  isSecure: boolean;
}

export function createRequests({ core, auth, assets, door, isSecure }: RequestsOptions): Requests {
  const ids = new WeakMap<Request, string>();
  const known = new WeakMap<Request, Known>();

  const idOf = (context: Context) => {
    const id = ids.get(context.req.raw) ?? randomUUID();
    ids.set(context.req.raw, id);
    return id;
  };
  const callOf = (context: Context): Known => {
    const request = context.req.raw;
    const before = known.get(request);
    if (before) return before;
    const who = authenticate(auth, door, request);
    if (door === 'network') requireOwnOrigin(request, who);
    const call: Call = {
      requestId: idOf(context), actor: who.actor, from: door === 'local' ? seatOf(request) : addressOf(context), at: core.clock.now(),
      signal: request.signal, isSecure, answerHeaders: new Headers(), renew: () => signedIn(peek(auth, door, request)),
    };
    known.set(request, { who, call });
    return { who, call };
  };
  const translatorOf = (context: Context) => makeTranslator(chooseLocale(getCookie(context, 'bothy_locale'), context.req.header('accept-language')));
  return {
    idOf,
    callOf,
    translatorOf,
    uiOf(context) {
      const { actor, csrfToken } = known.get(context.req.raw)?.who ?? peek(auth, door, context.req.raw);
      return {
        ...translatorOf(context),
        user: actor.credential === '' ? '' : actor.name,
        csrf: csrfToken ?? '',
        can: (permission, object) => mayUse(actor, permission, object),
        isLimited: isLimited(actor),
        isRemote: isSecure && door === 'network' && isRemote(addressOf(context)),
        rights: rightsOf(actor),
        asset: assets.address,
        path: context.req.path,
        seq: core.journal.latest(),
      };
    },
    report(context, problem, thrown) {
      const fields = { requestId: idOf(context), method: context.req.method, path: context.req.path, problem: problem.type, error: thrown };
      if (problem.status >= 500) core.log.error('a request failed', fields);
      else if (problem.cause) core.log.info('a request was refused', fields);
    },
  };
}

/** Any of these on everything makes one who looks after the whole, or a part of it. */
const wholeViews = ['vm.read', 'host.read', 'storage.edit', 'network.edit', 'user.read', 'site.read', 'update.read', 'audit.read'];

/** Sees only what they were given: gets a page of their own things instead of how the whole stands. */
export const isLimited = ({ permissions }: Actor): boolean => !wholeViews.some((permission) => permissions.has(permission));

/** The whole of it once, for lists of many things. */
function rightsOf({ permissions, reach }: Actor): Ui['rights'] {
  const whole = [...permissions].sort().join();
  return (object) => (object ? `${whole} ${reach.mark(object)}` : whole);
}

/** What a page offers: on that thing, or, where none is named, on anything. */
export function mayUse({ reach }: Actor, permission: string, object?: ObjectRef): boolean {
  return object ? reach.sees(permission, object) : reach.somewhere(permission);
}

const signedIn = ({ actor }: SignedIn): Actor | undefined => (actor.credential === '' ? undefined : actor);

/** Who asks, as it is now, without a use of the credential or a word about a wrong one. */
function peek(auth: Auth, door: Door, request: Request): SignedIn {
  try {
    return authenticate(auth, door, request, false);
  } catch {
    return { actor: nobody };
  }
}

function addressOf(context: Context): string {
  try {
    return getConnInfo(context).remote.address ?? 'unknown';
  } catch {
    return 'in-process'; // app.request() of tests has no connection
  }
}
