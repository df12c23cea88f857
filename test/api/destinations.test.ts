/** Where events are sent, on real receivers: what arrives, what a test tells, and what an outage, a restart and a kill leave of it. */
import { createHmac } from 'node:crypto';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Activity, createActivity } from '../../appliance/activity/activity.ts';
import type { NewEvent } from '../../appliance/activity/events.ts';
import { systemClock } from '../../appliance/core/clock.ts';
import { createOutgoing } from '../../appliance/core/outgoing.ts';
import { makePair } from '../world/certificate.ts';
import { openTestCore, type TestCore } from '../world/core.ts';
import { type Door, openDoor } from '../world/door.ts';
import { loopbackOnly } from '../world/outgoing.ts';
import { openMail, openSilent, openSyslogStream, openSyslogUdp, openWeb, type Receiver } from '../world/receivers.ts';

interface Life {
  core: TestCore;
  activity: Activity;
  door: Door;
  stop(): Promise<void>;
}

interface Context extends Life {
  life: Life;
  open<T extends Receiver>(receiver: Promise<T>): Promise<T>;
}

const test = suite<Context>('destinations');
const vm = { kind: 'vm', id: '11111111-1111-4111-8111-111111111111', name: 'till' };
const secret = 'a signing key of enough length';
const pair = makePair('receiver.example');
/** Hours pass in seconds; sockets are as they are. */
const speed = 250;
const startedAt = Date.now();
let ahead = 0;
const clock = { now: () => ahead + startedAt + Math.round((Date.now() - startedAt) * speed), sleep: (ms: number, signal?: AbortSignal) => systemClock.sleep(ms / speed, signal) };

function begin(core: TestCore): Life {
  const activity = createActivity({ ...core, world: { outgoing: loopbackOnly } });
  const stopping = new AbortController();
  const running = core.reconcilers.start(stopping.signal);
  return { core, activity, door: openDoor(core, activity), stop: async () => { stopping.abort(); await running; } };
}

test.before.each((context) => {
  ahead = 0;
  const receivers: Receiver[] = [];
  Object.assign(context, begin(openTestCore({ clock })), { receivers, open: async <T extends Receiver>(receiver: Promise<T>) => { receivers.push(await receiver); return receiver; } });
});
test.after.each(async (context) => {
  await context.stop();
  for (const receiver of (context as unknown as { receivers: Receiver[] }).receivers) await receiver.close().catch(() => {});
  await context.core.close();
});

/** As after `kill -9`: nothing is told to the old life, and its database is another connection. */
async function restart(context: Context): Promise<void> {
  await context.stop();
  Object.assign(context, begin(context.core.reopen({ clock })));
}

const sayAll = ({ core, activity }: Context, messages: string[], more: (message: string) => Partial<NewEvent> = () => ({})) => core.database.write({ actor: 'system', operation: 'test' }, (tx) => {
  for (const message of messages) activity.event(tx, { severity: 'error', code: `vm.test-${message.replace(/\W/g, '')}`, message, about: [vm], ...more(message) });
});
const say = (context: Context, message: string, more: Partial<NewEvent> = {}) => sayAll(context, [message], () => more);
const numbered = (from: number, to: number, word = 'event') => Array.from({ length: to - from + 1 }, (_each, index) => `${word} ${from + index}`);
const settle = ({ core, activity }: Context, code: string) => core.database.write({ actor: 'system', operation: 'test' }, (tx) => activity.settle(tx, code, [vm.id]));

async function until(isTrue: () => boolean | Promise<boolean>, what: string, seconds = 20): Promise<void> {
  for (const end = Date.now() + seconds * 1000; !(await isTrue()); await systemClock.sleep(10)) if (Date.now() > end) throw new Error(`not in time: ${what}`);
}

async function make({ door }: Context, body: object): Promise<string> {
  const answer = await door.ask('POST', '/destinations', { body: { name: 'out', ...body } });
  assert.is(answer.status, 201, JSON.stringify(answer.body));
  return answer.body.id;
}
const stateOf = async ({ door }: Context, name = 'out') => (await door.ask('GET', `/destinations/${name}`)).body;
const events = async ({ door }: Context, code: string) => (await door.ask('GET', '/events?limit=200')).body.items.filter((event: { code: string }) => event.code === code);

for (const transport of ['udp', 'tcp', 'tls'] as const) {
  test(`syslog over ${transport}: each event as RFC 5424 has it, in order, a trouble's end too, in any script`, async (context) => {
    const server = await context.open(transport === 'udp' ? openSyslogUdp() : openSyslogStream(transport === 'tls' ? { pair } : {}));
    await make(context, { kind: 'syslog', host: transport === 'tls' ? 'localhost' : '127.0.0.1', port: server.port, transport, ...(transport === 'tls' && { ca: pair.chain }) });
    say(context, 'The VM "till" was paused.', { severity: 'warning', code: 'vm.paused', nextStep: 'Look at it.', isStanding: true });
    say(context, 'Not grave.', { severity: 'info' });
    say(context, '收银台 stopped.', { code: 'vm.stopped' });
    await until(() => server.messages.length === 2, 'two messages');
    settle(context, 'vm.paused');
    await until(() => server.messages.length === 3, 'the end of the trouble');
    assert.equal(server.messages.map(({ priority, code, text }) => [priority, code, text]), [
      [28, 'vm.paused', 'The VM "till" was paused. Look at it.'], [27, 'vm.stopped', '收银台 stopped.'], [29, 'vm.paused', 'Over: The VM "till" was paused.'],
    ]);
    assert.ok(server.messages.every(({ sequence, at }, index) => Math.abs(at - clock.now()) < 3_600_000 && sequence > (server.messages[index - 1]?.sequence ?? 0)));
    await until(async () => (await stateOf(context)).state === 'well', 'well');
  });
}

test('a webhook gets JSON that is signed, with the bearer token, by HTTP or HTTPS', async (context) => {
  const [plain, secure] = [await context.open(openWeb()), await context.open(openWeb({ pair }))];
  await make(context, { name: 'plain', kind: 'webhook', url: `http://127.0.0.1:${plain.port}/hook?key=1`, signingKey: secret, bearer: 'the token' });
  await make(context, { name: 'secure', kind: 'webhook', url: `https://localhost:${secure.port}/`, signingKey: secret, ca: pair.chain, severity: 'info', kinds: ['vm'] });
  say(context, 'The domain is gone.', { code: 'storage-domain.inactive', about: [] });
  say(context, 'Started.', { severity: 'info' });
  await until(() => plain.requests.length === 1 && secure.requests.length === 1, 'a request each');
  const [{ headers, body } = { headers: {}, body: '' }] = plain.requests;
  const [, seconds = '', hex = ''] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(String(headers['bothy-signature'])) ?? [];
  assert.is(hex, createHmac('sha256', secret).update(`${seconds}.${body}`).digest('hex'));
  assert.is(headers.authorization, 'Bearer the token');
  assert.match(String(headers['bothy-delivery']), /^[0-9a-f-]{36}\.\d+$/);
  const told = JSON.parse(body);
  assert.equal([told.version, told.isTest, told.leftOut, told.events.map(({ code, severity, state }: Record<string, string>) => [code, severity, state])], [1, false, 0, [['storage-domain.inactive', 'error', 'happened']]]);
  assert.equal(JSON.parse(secure.requests[0]?.body ?? '').events.map(({ message }: { message: string }) => message), ['Started.']);
});

test('an outage: nothing is lost or out of order over restarts, one trouble is told, and its end, but not to itself', async (context) => {
  const other = await context.open(openSyslogStream());
  await make(context, { name: 'other', kind: 'syslog', host: '127.0.0.1', port: other.port });
  const first = await openSyslogStream();
  await make(context, { kind: 'syslog', host: '127.0.0.1', port: first.port });
  say(context, 'event 0');
  await until(() => first.messages.length === 1, 'the first');
  await first.close();
  sayAll(context, numbered(1, 150));
  await until(async () => (await events(context, 'destination.failed')).length === 1, 'the trouble is told');
  await restart(context);
  say(context, 'event 151');
  await until(async () => (await stateOf(context)).waiting === 151, '151 wait');
  const failing = await stateOf(context);
  assert.equal([failing.state, failing.problem], ['failing', { message: `127.0.0.1:${first.port} refuses the connection.`, nextStep: 'Check the port, and that the service runs there.' }]);
  await restart(context);
  const back = await context.open(openSyslogStream({ port: first.port }));
  await until(async () => (await stateOf(context)).state === 'well', 'well again', 40);
  assert.equal(back.messages.map(({ text }) => text), numbered(1, 151));
  const [trouble, ...more] = await events(context, 'destination.failed');
  assert.equal([more, trouble.isStanding, trouble.endedAt !== null], [[], false, true]);
  assert.is((await events(context, 'destination.recovered')).length, 1);
  await until(() => other.messages.filter(({ code }) => code.startsWith('destination.')).length === 2, 'the other is told of both');
  assert.match(other.messages.filter(({ code }) => code.startsWith('destination.')).map(({ text }) => text).join('\n'), /^Events do not reach the destination "out".*\nOver: Events do not reach/);
  // What was under way when the service ended may come twice, under its number.
  assert.is(new Set(other.messages.filter(({ text }) => text.startsWith('event ')).map(({ sequence }) => sequence)).size, 152);
});

test('a kill after the receiver took a bundle sends it again under the same number', async (context) => {
  const web = await context.open(openWeb());
  web.answer.status = 0;
  await make(context, { kind: 'webhook', url: `http://127.0.0.1:${web.port}/`, signingKey: secret });
  say(context, 'once');
  await until(() => web.requests.length === 1, 'taken, not answered');
  await restart(context);
  web.answer.status = 200;
  await until(async () => (await stateOf(context)).state === 'well', 'well');
  const numbers = web.requests.map(({ headers }) => headers['bothy-delivery']);
  assert.is(numbers.length, 2);
  assert.is(numbers[0], numbers[1]);
});

test('a receiver that says nothing holds up no other', async (context) => {
  const silent = await context.open(openSilent());
  const syslog = await context.open(openSyslogUdp());
  await make(context, { name: 'a-silent', kind: 'email', host: '127.0.0.1', port: silent.port, security: 'none', from: 'a@b.example', to: ['c@d.example'] });
  await make(context, { name: 'b', kind: 'syslog', host: '127.0.0.1', port: syslog.port, transport: 'udp' });
  for (let index = 0; index < 5; index++) {
    say(context, `event ${index}`);
    await until(() => syslog.messages.length === index + 1, 'told at once', 3);
  }
});

test('e-mail: signed in over STARTTLS or TLS; an outage becomes one mail; then at most one in the time between', async (context) => {
  const login = { user: 'bothy', password: 'the mail password' };
  const server = await openMail({ pair, login });
  const wish = { kind: 'email', host: 'localhost', from: 'box@shop.example', to: ['ops@shop.example', 'boss@shop.example'], user: login.user, password: login.password, ca: pair.chain };
  await make(context, { ...wish, port: server.port, gatherMinutes: 20 });
  await server.close();
  sayAll(context, numbered(0, 299), (message) => ({ severity: message === 'event 7' ? 'error' : 'warning' }));
  await until(async () => (await stateOf(context)).state === 'failing', 'it fails');
  const back = await context.open(openMail({ pair, login, port: server.port }));
  await until(() => back.mails.length === 1, 'one mail', 40);
  const [mail] = back.mails;
  assert.equal([mail?.from, mail?.to, mail?.user, mail?.isSecure], ['box@shop.example', ['ops@shop.example', 'boss@shop.example'], 'bothy', true]);
  const text = (mail?.text ?? '').replace(/=\r\n/g, '');
  assert.match(text.replace(/\r\n[ \t]/g, ' '), /^Subject: \[[^\]]+\] Error: 300 events, the gravest: event 7$/m);
  assert.match(text, /100 earlier events are not listed/);
  assert.match(text, /event 299/);
  assert.match(text, /^Auto-Submitted: auto-generated/m);
  const lastAt = clock.now();
  say(context, 'after');
  say(context, 'and after that');
  await until(() => back.mails.length === 2, 'the second mail', 40);
  assert.ok(clock.now() - lastAt > 15 * 60_000, `${(clock.now() - lastAt) / 60_000} minutes`);
  assert.match(back.mails[1]?.text ?? '', /2 events/);
  const tls = await context.open(openMail({ pair, isTls: true, login }));
  await make(context, { ...wish, name: 'tls', port: tls.port, security: 'tls' });
  assert.is((await context.door.ask('POST', '/destinations/tls/test')).status, 200);
  assert.match(tls.mails[0]?.text ?? '', /Info\r\n {4}This is a test of the destination "tls"\. Nothing has happened\./);
});

test('more than a thousand, and what is older than a week, are left out, and their number is told', async (context) => {
  const web = await context.open(openWeb());
  web.answer.status = 503;
  await make(context, { kind: 'webhook', url: `http://127.0.0.1:${web.port}/`, signingKey: secret });
  sayAll(context, numbered(0, 39, 'old'));
  ahead += 8 * 86_400_000;
  sayAll(context, numbered(0, 1_009));
  web.answer.status = 200;
  await context.door.ask('POST', '/destinations/out/test');
  await until(async () => (await stateOf(context)).waiting === 0, 'all are sent', 40);
  const told = web.requests.map(({ body }) => JSON.parse(body)).filter(({ isTest, events: list }) => !isTest && list.some(({ message }: { message: string }) => message.startsWith('event')));
  const taken = told.slice(-10);
  assert.equal(taken.map(({ leftOut }) => leftOut), [50, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
  assert.is(taken.flatMap(({ events: list }) => list).at(0)?.message, 'event 10');
  assert.is(taken.flatMap(({ events: list }) => list).length, 1_000);
});

test('a test tells exactly what fails and what to do, and no secret', async (context) => {
  const login = { user: 'bothy', password: 'the mail password' };
  const [mail, bare, strict, web, silent] = [await context.open(openMail({ pair, login })), await context.open(openMail()), await context.open(openMail({ refuses: 'nobody@b.example' })), await context.open(openWeb()), await context.open(openSyslogStream({ pair }))];
  const gone = await openWeb();
  await gone.close();
  const email = { kind: 'email', host: 'localhost', from: 'a@b.example', to: ['c@d.example'], ca: pair.chain };
  const hook = { kind: 'webhook', url: `http://127.0.0.1:${web.port}/the-key-in-the-path`, signingKey: secret };
  const cases: [body: object, message: RegExp, status?: number, location?: string][] = [
    [{ ...email, port: mail.port, user: 'bothy', password: 'not that one' }, /^localhost:\d+ refuses the sign-in: 535 .*… ?"?\. Check user and password\./],
    [{ ...email, port: mail.port, user: 'bothy', password: login.password, ca: null }, /^The certificate of localhost:\d+ is not trusted\. Give the certificate of its authority/],
    [{ ...email, host: '127.0.0.1', port: mail.port, user: 'bothy', password: login.password }, /^The certificate of 127\.0\.0\.1:\d+ is for another name\./],
    [{ ...email, port: bare.port }, /^localhost:\d+ offers no STARTTLS: 5\d\d .*\. Choose TLS and its port/],
    [{ ...email, ca: null, security: 'none', port: strict.port, to: ['nobody@b.example'] }, /^localhost:\d+ refuses the recipients: 550 .*\. Check the addresses/],
    [{ ...email, port: bare.port, security: 'tls' }, /^localhost:\d+ does not speak TLS on this port\./],
    [{ kind: 'syslog', host: '127.0.0.1', port: gone.port }, /^127\.0\.0\.1:\d+ refuses the connection\. Check the port, and that the service runs there\.$/],
    [{ kind: 'syslog', host: '127.0.0.1', port: gone.port, transport: 'udp' }, /^127\.0\.0\.1:\d+ refuses the connection\./],
    [{ kind: 'syslog', host: 'localhost', port: silent.port, transport: 'tls' }, /is not trusted/],
    [{ kind: 'syslog', host: '127.0.0.1', port: bare.port, transport: 'tls' }, /does not speak TLS/],
    [{ kind: 'syslog', host: '203.0.113.7' }, /^Nothing is sent there: 203\.0\.113\.7 is not loopback\. Give the address of another machine\.$/],
    [hook, /^127\.0\.0\.1:\d+ answers 401 and did not take it\. Check the bearer token and the signing key\.$/, 401],
    [hook, /answers 302 and did not take it\. It leads on to another address/, 302, 'http://127.0.0.1:1/'],
    [hook, /answers 500 and did not take it\. It is tried again\./, 500],
  ];
  for (const [body, message, status = 200, location] of cases) {
    Object.assign(web.answer, { status, location });
    const id = await make(context, Object.fromEntries(Object.entries(body).filter(([, value]) => value !== null)));
    const answer = await context.door.ask('POST', `/destinations/${id}/test`);
    assert.is(answer.status, 503, JSON.stringify([body, answer.body]));
    assert.match(answer.body.detail, message);
    assert.not.match(JSON.stringify(answer.body), /not that one|the mail password|signing key of|the-key-in/);
    await context.door.ask('DELETE', `/destinations/${id}`);
  }
  assert.equal(web.requests.map(({ body }) => JSON.parse(body).isTest), [true, true, true]);
});

test('loopback, link-local and this machine are no receivers outside of tests', async () => {
  const outgoing = createOutgoing();
  const { signal } = new AbortController();
  for (const host of ['127.0.0.1', '::1', '169.254.169.254', 'localhost', '::ffff:127.0.0.1']) {
    await outgoing.connect({ host, port: 9 }, signal).then(() => assert.unreachable(host), (error) => assert.is(error.code, 'REFUSED_ADDRESS', `${host}: ${error}`));
    await outgoing.post({ url: `http://${host.includes(':') ? `[${host}]` : host}:9/`, headers: {}, body: '' }, signal).then(() => assert.unreachable(host), (error) => assert.is(error.code, 'REFUSED_ADDRESS', `${host}: ${error}`));
    await outgoing.datagrams({ host, port: 9 }, [], signal).then(() => assert.unreachable(host), (error) => assert.is(error.code, 'REFUSED_ADDRESS', `${host}: ${error}`));
  }
});

test('secrets are told nowhere; what is not given stays, null takes away', async (context) => {
  const { door } = context;
  const secrets = { url: 'https://chat.example/services/T0/B0/path-key', signingKey: secret, bearer: 'the bearer' };
  await make(context, { kind: 'webhook', ...secrets });
  const edited = await door.ask('PATCH', '/destinations/out', { body: { name: 'chat', severity: 'info', bearer: null } });
  assert.equal([edited.body.receiver, edited.body.secrets, edited.body.missing], ['chat.example', ['url', 'signingKey'], []]);
  assert.is((await door.ask('PATCH', '/destinations/chat', { body: { severity: 'error' }, headers: { 'if-match': '"1"' } })).status, 412);
  const pages = ['/destinations', '/destinations/chat', '/events', '/audit', '/config-changes', '/tasks'];
  const texts = await Promise.all(pages.map(async (page) => JSON.stringify((await door.ask('GET', page)).body)));
  assert.not.match(texts.join(), /path-key|signing key of|the bearer/);
  assert.match(texts[4] ?? '', /"field":"secrets","path":\["secrets"\],"before":null,"after":null,"isSecret":true/);
  const gone = await door.ask('PATCH', '/destinations/chat', { body: { url: null } });
  assert.equal([gone.body.state, gone.body.missing], ['incomplete', ['url']]);
  assert.is((await door.ask('POST', '/destinations/chat/test')).status, 409);
});

test('what cannot work is refused with the field; who may not sees and makes none', async (context) => {
  const { door } = context;
  const cases: [object, string][] = [
    [{ kind: 'syslog' }, 'host'], [{ kind: 'syslog', host: 'a.example', url: 'https://b.example' }, 'url'], [{ kind: 'syslog', host: 'a.example:514' }, 'host'],
    [{ kind: 'email', host: 'a.example', from: 'a@b.example' }, 'to'], [{ kind: 'email', host: 'a.example', from: 'a@b.example', to: ['a@b.example\r\nBcc: x@y.example'] }, 'to.0'],
    [{ kind: 'email', host: 'a.example', from: 'a@b.example', to: ['c@d.example'], security: 'none', user: 'u', password: 'p' }, 'security'],
    [{ kind: 'webhook', url: 'ftp://a.example' }, 'url'], [{ kind: 'webhook', url: 'https://u:p@a.example' }, 'url'], [{ kind: 'webhook', url: 'https://a.example', signingKey: 'short' }, 'signingKey'],
    [{ kind: 'syslog', host: 'a.example', transport: 'udp', ca: pair.chain }, 'ca'], [{ kind: 'pigeon' }, 'kind'],
  ];
  for (const [body, path] of cases) {
    const answer = await door.ask('POST', '/destinations', { body: { name: 'out', ...body } });
    assert.is(answer.status, 400, JSON.stringify(body));
    assert.ok(answer.body.errors.some((fault: { path: string }) => fault.path === path), `${path}: ${JSON.stringify(answer.body.errors)}`);
  }
  await make(context, { kind: 'syslog', host: 'a.example' });
  assert.is((await door.ask('POST', '/destinations', { body: { name: 'out', kind: 'syslog', host: 'b.example' } })).status, 409);
  for (const [method, path] of [['GET', '/destinations'], ['GET', '/destinations/out'], ['POST', '/destinations'], ['PATCH', '/destinations/out'], ['DELETE', '/destinations/out'], ['POST', '/destinations/out/test']] as const) {
    assert.is((await door.askAs(['event.read', 'vm.read', 'vm.edit', 'report.read'], method, path, method === 'GET' ? undefined : {})).status, 403, `${method} ${path}`);
  }
  assert.is((await door.askAs(['history.edit'], 'GET', '/destinations')).status, 200);
});

test('off: what happens then is never sent; deleted: its trouble is over', async (context) => {
  const server = await context.open(openSyslogStream());
  const id = await make(context, { kind: 'syslog', host: '127.0.0.1', port: server.port, isEnabled: false });
  say(context, 'while off');
  await context.door.ask('PATCH', '/destinations/out', { body: { isEnabled: true } });
  say(context, 'while on');
  await until(() => server.messages.length === 1, 'one');
  assert.is(server.messages[0]?.text, 'while on');
  await server.close();
  say(context, 'lost');
  await until(async () => (await events(context, 'destination.failed')).length === 1, 'the trouble');
  await context.door.ask('DELETE', `/destinations/${id}`);
  assert.equal((await events(context, 'destination.failed')).map(({ isStanding }: { isStanding: boolean }) => isStanding), [false]);
  assert.is((await context.door.ask('GET', '/destinations')).body.items.length, 0);
});

test.run();
