/** Somebody who is signed in to a test's appliance with the roles that they hold and no more. */
import type { Reply, TestApp } from './app.ts';

export interface Person {
  name: string;
  send<T = Record<string, unknown>>(method: string, path: string, body?: unknown): Promise<Reply<T>>;
  /** Listens to the change feed. */
  listen(since?: number): Promise<Listener>;
}

export interface Listener {
  /** What was told so far. */
  text(): string;
  /** Waits until that was told; throws after five seconds, or when the stream has ended without. */
  hears(words: RegExp): Promise<void>;
  /** Waits until the appliance ends the stream. */
  ended: Promise<void>;
  close(): Promise<void>;
}

/** Makes the user with a password, signs in, and goes on with the session: cookie and CSRF token, as a browser does. */
export async function openPerson(site: TestApp, name: string, roles: string[] = []): Promise<Person> {
  const password = `the password of ${name}`;
  const made = await site.send('POST', '/api/v1/users', { name, roles, password });
  if (made.status !== 201) throw new Error(`the user ${name} was not made: ${JSON.stringify(made.body)}`);
  return signIn(site, name, password);
}

/** Two VMs, who starts and uses the first and owns nothing, and who makes VMs and disks of their own. */
export async function openTwoPeople(site: TestApp): Promise<{ user: Person; power: Person }> {
  for (const name of ['mine', 'theirs']) await site.send('POST', '/api/v1/vms', { name, vcpus: 1, memoryBytes: 2 ** 28 });
  const user = await openPerson(site, 'una');
  const power = await openPerson(site, 'paul', ['power-user']);
  await site.send('POST', '/api/v1/assignments', { user: 'una', role: 'vm-user', kind: 'vm', object: 'mine' });
  return { user, power };
}

export async function signIn(site: TestApp, name: string, password: string): Promise<Person> {
  const response = await site.door.request('http://bothy/api/v1/sessions', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ user: name, password }) });
  if (response.status !== 201) throw new Error(`${name} could not sign in: ${await response.text()}`);
  const { csrfToken } = (await response.json()) as { csrfToken: string };
  const cookie = (response.headers.get('set-cookie') ?? '').split(';')[0] ?? '';
  return {
    name: `${name}@internal`,
    listen: (since) => listenAs(site, { cookie }, since),
    async send<T>(method: string, path: string, body?: unknown) {
      const answer = await site.door.request(`http://bothy${path}`, {
        method, headers: { cookie, 'x-csrf-token': csrfToken, ...(body !== undefined && { 'content-type': 'application/json' }) },
        ...(body !== undefined && { body: JSON.stringify(body) }),
      });
      const text = await answer.text();
      const isJson = /json/.test(answer.headers.get('content-type') ?? '');
      return { status: answer.status, headers: answer.headers, body: (text === '' ? null : isJson ? JSON.parse(text) : text) as T };
    },
  };
}

/** As whom the headers say. */
export async function listenAs(site: TestApp, headers: Record<string, string>, since?: number): Promise<Listener> {
  const abort = new AbortController();
  const answer = await site.door.request(`http://bothy/api/v1/changes${since === undefined ? '' : `?since=${since}`}`, { headers, signal: abort.signal });
  if (answer.status !== 200 || !answer.body) throw new Error(`the feed answered ${answer.status}`);
  const reader = answer.body.getReader();
  let text = '';
  let hasEnded = false;
  let tell = () => {};
  const ended = (async () => {
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      text += Buffer.from(part.value).toString();
      tell();
    }
    hasEnded = true;
    tell();
  })();
  return {
    ended,
    text: () => text,
    async hears(words) {
      const until = Date.now() + 5_000;
      while (!words.test(text)) {
        if (hasEnded || Date.now() > until) throw new Error(`it was not told ${words}: ${text}`);
        await new Promise<void>((resolve) => { tell = resolve; setTimeout(resolve, 200); });
      }
    },
    async close() {
      abort.abort();
      await reader.cancel().catch(() => {});
    },
  };
}
