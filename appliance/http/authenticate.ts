/**
 * Who is asking: the session cookie of a browser, the bearer token of a program, or the local socket of root.
 *
 * A cookie is sent by the browser whether the person meant it or not, so a change that it authorises must come from our own
 * pages: the `Origin` must be ours and the CSRF token must match. A token is sent on purpose and needs neither.
 */
import type { Auth } from '../auth/auth.ts';
import { isSameSecret } from '../auth/password.ts';
import { rootActor, type SignedIn } from '../auth/people.ts';
import { wholeReach } from '../core/objects.ts';
import type { Actor } from '../core/operation.ts';
import { Problem } from '../core/problem.ts';

export const nobody: Actor = { id: 'nobody', name: 'nobody', permissions: new Set(), reach: wholeReach(new Set()), credential: '' };

export type Door = 'local' | 'network';

/** The actor of a request; `nobody` when it carries no credential. Throws when the credential is wrong or misused. `isUse`: it is used, not only looked at. */
export function authenticate(auth: Auth, door: Door, request: Request, isUse = true): SignedIn {
  if (door === 'local') return { actor: isConsole(request) ? { ...rootActor, name: 'console' } : rootActor };
  const bearer = /^Bearer\s+(\S+)$/i.exec(request.headers.get('authorization') ?? '')?.[1];
  if (bearer !== undefined) {
    const byToken = auth.people.byToken(bearer, isUse);
    if (!byToken) throw new Problem('unauthenticated', 'This API token is not valid (any more). Create a new one with `bothy token create`.');
    return byToken;
  }
  const secret = cookieOf(request);
  const bySession = secret === undefined ? undefined : auth.people.bySession(secret, isUse);
  if (!bySession) return { actor: nobody };
  return bySession;
}

/** The console program on the screen of the box says so: what people do there without signing in is told apart from root's own commands. */
const consoleHeader = 'bothy-console';
const isConsole = (request: Request) => request.headers.has(consoleHeader);

/** Where somebody at the machine sits, such as `tty1`. */
export function seatOf(request: Request): string {
  const seat = request.headers.get(consoleHeader);
  return seat && /^[\w/]{1,20}$/.test(seat) ? seat : 'local socket';
}

const safeMethods = new Set(['GET', 'HEAD', 'OPTIONS']);

/** Throws unless a change comes from our own pages or carries a token. */
export function requireOwnOrigin(request: Request, who: SignedIn): void {
  if (safeMethods.has(request.method)) return;
  const origin = request.headers.get('origin');
  if (origin !== null && !isOwnOrigin(origin, request)) throw new Problem('forbidden', 'This request came from another web site.');
  if (who.csrfToken === undefined) return;
  const given = request.headers.get('x-csrf-token') ?? '';
  if (!isSameSecret(given, who.csrfToken)) throw new Problem('forbidden', 'This page is out of date. Load it again, then repeat.');
}

export function isOwnOrigin(origin: string, request: Request): boolean {
  const host = request.headers.get('host');
  try {
    return host !== null && new URL(origin).host === host;
  } catch {
    return false;
  }
}

function cookieOf(request: Request): string | undefined {
  const pairs = (request.headers.get('cookie') ?? '').split(';').map((pair) => pair.trim());
  return pairs.find((pair) => pair.startsWith('bothy_session='))?.slice('bothy_session='.length) || undefined;
}
