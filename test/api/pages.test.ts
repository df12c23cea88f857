/**
 * Every page as the server writes it: for administrator and observer, in each language, with no, one and fifty VMs. Well-formed,
 * each control labelled, nothing offered to the observer that would be refused.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { endOfTar, formatHeader, paddedBytes } from '../../appliance/core/tar.ts';
import { permissionsOf, type Role } from '../../appliance/auth/rules.ts';
import { type AnyOperation, pathParameters } from '../../appliance/core/operation.ts';
import { GiB } from '../../appliance/core/units.ts';
import type { AnyPage } from '../../ui/page.ts';
import { pages } from '../../ui/pages/index.ts';
import { zhPhrases } from '../../ui/locales/zh-CN-phrases.ts';
import { locales } from '../../ui/text.ts';
import { adminPassword, openTestApp, type TestApp } from '../world/app.ts';
import { ancestors, elements, type HtmlElement, parseHtml, textOf } from '../world/html.ts';
import { untilReady } from '../world/ready.ts';
import { vmwareOvf } from '../world/ovf-examples.ts';

const test = suite<{ app: TestApp }>('pages');
test.before.each(async (context) => { context.app = await openTestApp(); });
test.after.each(({ app }) => app.close());

/** What stands for the parameters of addresses. */
type Subjects = Record<'vm' | 'task' | 'disk' | 'nic' | 'domain' | 'kind' | 'object' | 'name', string>;

async function makeVms(app: TestApp, count: number): Promise<Subjects | undefined> {
  await untilReady(app);
  if (count === 0) return undefined;
  for (let number = 1; number <= count; number++) {
    const body = { name: `vm-${number}`, description: 'bread & "butter" <b>', memoryBytes: GiB, disks: number === 1 ? [{ sizeBytes: GiB }] : [], nics: [{ network: 'default' }] };
    const { status } = await app.send('POST', '/api/v1/vms', body);
    assert.is(status, 201);
  }
  await app.carryOut('POST', '/api/v1/vms/vm-1/start');
  const { body } = await app.send<{ items: { id: string }[] }>('GET', '/api/v1/tasks');
  const { body: vm } = await app.send<{ disks: { id: string }[]; nics: { id: string }[] }>('GET', '/api/v1/vms/vm-1');
  return { vm: 'vm-1', task: body.items[0]?.id ?? '', disk: vm.disks[0]?.id ?? '', nic: vm.nics[0]?.id ?? '', domain: 'local', kind: 'network', object: 'default', name: await putOva(app) };
}

/** A machine that somebody has brought. */
async function putOva(app: TestApp): Promise<string> {
  const ovf = Buffer.from(vmwareOvf({ file: 'a.raw' }).replaceAll('vmdk.html#streamOptimized', 'raw').replaceAll('.vmdk', '.raw').replaceAll('vmdk', 'disk'));
  const files = { 'a.ovf': ovf, 'a.raw': Buffer.alloc(1024) };
  const bytes = Buffer.concat([...Object.entries(files).flatMap(([name, content]) => [formatHeader({ name, sizeBytes: content.length }, 0), content, Buffer.alloc(paddedBytes(content.length) - content.length)]), endOfTar]);
  const { body } = await app.send<{ token: string }>('POST', '/api/v1/tokens', { name: 'carrier' });
  const { status } = await app.door.request('http://bothy/api/v1/storage-domains/isos/files/brought.ova', { method: 'PUT', body: new Uint8Array(bytes), headers: { authorization: `Bearer ${body.token}`, 'content-length': String(bytes.length) } });
  assert.is(status, 201);
  return 'brought.ova';
}

function addressOf(page: AnyPage, subjects: Subjects | undefined): string | undefined {
  const names = pathParameters(page.path);
  if (names.length > 0 && !subjects) return undefined;
  return page.path.replace(/\{(\w+)\}/g, (_all, name: string) => {
    const subject = subjects?.[name as keyof Subjects]; // or none of them, as the next line finds
    if (!subject) throw new Error(`no subject for {${name}} of ${page.path}`);
    return subject;
  });
}

async function see(app: TestApp, path: string, token: string, locale = 'en'): Promise<{ status: number; text: string; html: HtmlElement }> {
  const response = await app.door.request(`http://bothy${path}`, { headers: { authorization: `Bearer ${token}`, cookie: `bothy_locale=${locale}` } });
  const text = await response.text();
  assert.match(response.headers.get('content-type') ?? '', 'text/html');
  return { status: response.status, text, html: parseHtml(text) };
}

// ------------------------------------------------------------------------------------------------ what holds for every page

const nameOf = ({ attributes, ...element }: HtmlElement) => attributes['aria-label'] || textOf({ attributes, ...element }) || attributes['title'] || '';

function requireFrame(html: HtmlElement, locale: string): void {
  const all = elements(html);
  assert.is(all.find(({ name }) => name === 'html')?.attributes['lang'], locale);
  assert.ok(textOf(all.find(({ name }) => name === 'title') ?? html), 'a title');
  assert.is(all.filter(({ name }) => name === 'h1').length, 1, 'one h1');
  assert.is(all.filter(({ name }) => name === 'main').length, 1, 'one main');
}

function requireUniqueIds(html: HtmlElement): void {
  const ids = elements(html).map(({ attributes }) => attributes['id']).filter((id) => id !== undefined);
  const twice = ids.filter((id, index) => ids.indexOf(id) !== index);
  assert.is(twice.length, 0, `used twice: ${twice.join()}`);
  const known = new Set(ids);
  for (const { name, attributes } of elements(html)) {
    for (const reference of ['for', 'aria-labelledby', 'aria-describedby', 'popovertarget', 'data-dialog']) {
      for (const id of (attributes[reference] ?? '').split(' ').filter(Boolean)) assert.ok(known.has(id), `<${name} ${reference}="${id}"> leads nowhere`);
    }
  }
}

function requireNames(html: HtmlElement): void {
  const all = elements(html);
  const labelled = new Set(all.filter(({ name }) => name === 'label').map(({ attributes }) => attributes['for']));
  for (const element of all) {
    const { name, attributes } = element;
    const shown = `<${name} ${JSON.stringify(attributes)}>`;
    // The confirmation dialog's title and buttons get their words when it opens.
    if (ancestors(element).some((outer) => outer.attributes['id'] === 'confirm')) continue;
    if (name === 'button' || name === 'a' || /^h[1-3]$/.test(name)) assert.ok(nameOf(element), `${shown} has no name`);
    if (name === 'img') assert.ok(attributes['alt'] !== undefined, `${shown} has no text`);
    if (name === 'svg') assert.ok(attributes['aria-hidden'] === 'true' || attributes['aria-label'], `${shown} is neither hidden nor named`);
    if (!/^(input|select|textarea)$/.test(name) || attributes['type'] === 'hidden') continue;
    const label = ancestors(element).find((outer) => outer.name === 'label');
    assert.ok(attributes['aria-label'] || labelled.has(attributes['id'] ?? '') || (label && textOf(label)), `${shown} has no label`);
  }
}

function requireText(html: HtmlElement): void {
  // Values of settings are told as the API has them: permissions look like keys of texts.
  const told = elements(html).filter(({ attributes }) => attributes['class'] === 'config-fields').map(textOf);
  const text = told.reduce((rest, values) => rest.replaceAll(values, ''), textOf(html));
  for (const slip of [/\bundefined\b/, /\bNaN\b/, /\[object/, /\{\w+\}/, /\b(task\.kind|vm\.state|vm\.reason|nav|field|word|event|storage)\.[a-z]\w*/, /Invalid Date/]) {
    assert.not.match(text, slip);
  }
}

/** The operation that a control would send to, if it would send. */
function operationOf(app: TestApp, { attributes }: HtmlElement): AnyOperation | undefined {
  const [method, address] = ['get', 'post', 'put', 'patch', 'delete'].flatMap((verb) => (attributes[`hx-${verb}`]?.startsWith('/api/') ? [[verb.toUpperCase(), attributes[`hx-${verb}`] ?? '']] : []))[0] ?? [];
  if (!method || !address) return undefined;
  const fits = app.app.operations.map(({ record }) => record).filter((record) => record.method === method && new RegExp(`^/api/v1${record.path.replaceAll(/\{\w+\}/g, '[^/]+')}$`).test(address));
  const operation = fits.find(({ path }) => `/api/v1${path}` === address) ?? fits[0];
  if (!operation) throw new Error(`${method} ${address} is no operation`);
  return operation;
}

function requireOffersOnlyAllowed(app: TestApp, html: HtmlElement, role: Role): void {
  const allowed: ReadonlySet<string> = permissionsOf([role]);
  for (const element of elements(html)) {
    const operation = operationOf(app, element);
    if (operation && operation.permission !== 'public') assert.ok(allowed.has(operation.permission), `${role} is offered ${operation.id}`);
    const isMenu = element.attributes['class'] === 'menu' || element.name === 'dialog';
    if (isMenu) assert.ok(elements(element).some(({ name, attributes }) => name === 'a' || (name === 'button' && attributes['type'] !== 'submit') || name === 'input' || name === 'textarea'), `${role} is offered nothing in #${element.attributes['id']}`);
  }
}

for (const count of [0, 1, 50]) {
  test(`every page with ${count} VMs, for administrator and observer, in every language`, async ({ app }) => {
    const subjects = await makeVms(app, count);
    const failures: string[] = [];
    for (const role of ['administrator', 'observer'] as const) {
      const token = await app.tokenFor([role]);
      for (const page of pages) {
        const path = addressOf(page, subjects);
        for (const locale of path === undefined ? [] : Object.keys(locales)) {
          try {
            await checkPage(app, { page, path: path ?? '', token, locale, role });
          } catch (error) {
            failures.push(`${path} as ${role} in ${locale}: ${error instanceof Error ? error.message : error}`);
          }
        }
      }
    }
    assert.is(failures.join('\n'), '');
  });
}

async function checkPage(app: TestApp, { page, path, token, locale, role }: { page: AnyPage; path: string; token: string; locale: string; role: Role }): Promise<void> {
  const { status, html } = await see(app, path, token, locale);
  // What an observer may not see at all is said in a page of its own.
  assert.ok(status === 200 || (role === 'observer' && status === 403), `status ${status}`);
  if (page.frame !== 'fragment') requireFrame(html, locale);
  for (const check of [requireUniqueIds, requireNames, requireText]) check(html);
  requireOffersOnlyAllowed(app, html, role);
}

// ------------------------------------------------------------------------------------------------ single pages

test('lists show what there is, filtered and in pages', async ({ app }) => {
  await makeVms(app, 50);
  const token = await app.tokenFor(['administrator']);
  const rows = async (path: string) => {
    const { html } = await see(app, path, token);
    return elements(html).filter(({ name, attributes }) => name === 'tr' && attributes['id']?.startsWith('vm-')).length;
  };
  assert.is(await rows('/vms'), 50);
  assert.is(await rows('/vms?search=vm-4'), 11);
  assert.is(await rows('/vms?state=up'), 1);
  assert.is(await rows('/vms?search=nothing-like-it'), 0);
  assert.match((await see(app, '/vms', token)).text, 'bread &amp; &quot;butter&quot; &lt;b&gt;', 'text of people is escaped');
});

test('the steps of a task stand in the language of the reader, those of every kind', async ({ app }) => {
  const token = await app.tokenFor(['administrator']);
  const subjects = await makeVms(app, 1);
  const steps = async (locale: string) => elements((await see(app, `/tasks/${subjects?.task}`, token, locale)).html).filter(({ attributes }) => attributes['data-state'] !== undefined).map(textOf);
  assert.ok((await steps('en')).includes('Run the guest'));
  assert.ok((await steps('zh-CN')).includes('运行客户机'));
  const untold = app.app.core.tasks.definitions().flatMap(({ steps }) => steps).filter(({ name }) => zhPhrases[name] === undefined);
  assert.equal(untold.map(({ name }) => name), []);
});

test('an observer cannot open the form that makes a VM', async ({ app }) => {
  const { html } = await see(app, '/vms/new', await app.tokenFor(['observer']));
  assert.not.ok(elements(html).some(({ attributes }) => attributes['hx-post'] === '/api/v1/vms'));
});

test('why the machine went down stands on the overview and the page of the host, in the language of the reader', async (context) => {
  context.app.host.cutPower();
  context.app = await context.app.killAndRestart();
  await untilReady(context.app);
  const token = await context.app.tokenFor(['observer']);
  const show = async (path: string, language: string) => textOf(parseHtml(await (await context.app.door.request(`http://bothy${path}`, { headers: { authorization: `Bearer ${token}`, 'accept-language': language } })).text()));
  for (const path of ['/', '/host']) {
    assert.match(await show(path, 'en'), /Power was lost, or the machine was switched off/);
    assert.match(await show(path, 'zh-CN'), /断电，或本机未经关机就被切断电源/);
  }
  assert.match(await show('/host', 'en'), /Watchdog\s*Off[\s\S]*BOTHY_WATCHDOG/);
});

test('what does not exist is a page with status 404 and a way back', async ({ app }) => {
  const token = await app.tokenFor(['administrator']);
  for (const path of ['/vms/nobody', '/vms/nobody/disks', '/vms/nobody/console', '/tasks/00000000-0000-4000-8000-000000000000', '/no/such/page']) {
    const { status, html } = await see(app, path, token);
    assert.is(status, 404, path);
    requireFrame(html, 'en');
    assert.ok(elements(html).some(({ name, attributes }) => name === 'a' && attributes['href'] === '/'), path);
  }
});

test('who is not signed in is led to set-up, later to sign-in, and an open page too', async ({ app }) => {
  const leadOf = async (path: string, headers: Record<string, string> = {}) => {
    const response = await app.door.request(`http://bothy${path}`, { headers });
    return response.headers.get('hx-redirect') ?? response.headers.get('location');
  };
  for (const path of ['/', '/vms', '/vms/any', '/account']) assert.is(await leadOf(path), '/setup');
  const setup = await app.door.request('http://bothy/api/v1/setup', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ code: app.app.setupCode(), password: adminPassword }) });
  assert.is(setup.status, 201);
  for (const path of ['/', '/vms', '/vms/any', '/account']) assert.is(await leadOf(path), '/sign-in');
  assert.is(await leadOf('/vms', { 'hx-request': 'true' }), '/sign-in');
  assert.is(await leadOf('/sign-in'), null);
});

test('pages may not be framed, cached or made to run foreign code', async ({ app }) => {
  const response = await app.door.request('http://bothy/sign-in');
  const policy = response.headers.get('content-security-policy') ?? '';
  assert.match(policy, "default-src 'self'");
  assert.not.match(policy, /script-src[^;]*'unsafe/);
  assert.match(policy, "frame-ancestors 'none'");
  assert.is(response.headers.get('cache-control'), 'no-store');
  assert.not.match(await response.text(), /<script(?![^>]*\ssrc=)|\son\w+="|https?:\/\/(?!www\.w3\.org)/, 'no script in the page, no other site');
});

test.run();
