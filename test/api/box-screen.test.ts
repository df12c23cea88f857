/** The screen of the box as a person sees and uses it: in a terminal emulator, at the simulated appliance. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { openTestApp, type TestApp } from '../world/app.ts';
import { type BoxScreen, type BoxScreenOptions, openBoxScreen } from '../world/box-screen.ts';
import { untilReady } from '../world/ready.ts';

interface Context {
  site: TestApp;
  screens: BoxScreen[];
  open(options?: BoxScreenOptions): BoxScreen;
}

const test = suite<Context>('box screen');
const MiB = 2 ** 20;

test.before.each(async (context) => {
  context.site = await openTestApp();
  await untilReady(context.site);
  context.screens = [];
  context.open = (options) => {
    const screen = openBoxScreen(context.site, options);
    context.screens.push(screen);
    return screen;
  };
});
test.after.each(async ({ site, screens }) => {
  for (const screen of screens) await screen.close();
  await site.close();
});

async function run({ site }: Context, name: string): Promise<void> {
  await site.send('POST', '/api/v1/vms', { name, vcpus: 1, memoryBytes: 64 * MiB, disks: [], nics: [] });
  await site.carryOut('POST', `/api/v1/vms/${name}/start`);
}

const audit = async ({ site }: Context, operation: string) => (await site.send<{ items: { actor: string; from: string; outcome: string }[] }>('GET', `/api/v1/audit?operation=${operation}`)).body.items;
const stateOf = async ({ site }: Context, name: string) => (await site.send<{ state: string }>('GET', `/api/v1/vms/${name}`)).body.state;

for (const [columns, rows] of [[80, 25], [80, 24], [100, 30], [40, 25], [132, 50]] as const) {
  test(`fits ${columns}x${rows}: name, state, address, set-up code, help; nothing is cut in the middle or scrolls`, async ({ site, open }) => {
    const { terminal, shows } = open({ columns, rows });
    await shows(/All is well/);
    const shown = await terminal.rows();
    assert.match(shown[0] ?? '', /^ shop-7 .*Bothy 0\.0\.0 $/);
    const text = shown.join('\n');
    assert.match(text, /http:\/\/127\.0\.0\.1:0/);
    assert.ok(text.includes(site.app.setupCode() ?? 'no code'), text);
    assert.match(text, /br0\s+192\.168\.10\.5\/24/);
    assert.match(shown.at(-1) ?? '', /^ M menu/);
    assert.is(terminal.scrolled(), 0);
    assert.equal(shown.filter((line) => [...line].length > columns), []);
  });
}

test('after power was lost it says so, and about when', async (context) => {
  context.site.host.cutPower();
  context.site = await context.site.killAndRestart();
  await untilReady(context.site);
  context.screens.push(openBoxScreen(context.site, { columns: 80, rows: 25 }));
  const [{ shows }] = context.screens as [BoxScreen];
  assert.match(await shows(/Power was lost/), /\d{4}-\d\d-\d\d \d\d:\d\d UTC: Power was lost/);
});

test('the set-up code goes when the password is set, without a key pressed', async ({ site, open }) => {
  const { shows } = open();
  await shows(/Set-up code:\s+[A-Z0-9]{4}-/);
  await site.send('POST', '/api/v1/setup', { code: site.app.setupCode(), password: 'correct horse battery' });
  assert.not.match(await shows(/^(?![\s\S]*Set-up code)[\s\S]*All is well/), /Set-up code/);
});

test('trouble is told in words with what to do, and goes when it is over', async ({ site, open }) => {
  const { shows } = open();
  await shows(/All is well/);
  site.world.control.disconnect('socket closed');
  assert.match(await shows(/Something does not work/), /libvirt does not answer: socket closed[\s\S]*> Running VMs go on/);
  site.world.control.reconnect();
  await shows(/All is well/);
});

test('links and addresses that change are seen', async ({ site, open }) => {
  const { shows } = open();
  await shows(/eno2\s+no link/);
  site.host.machine.change({ nics: [{ name: 'eno2', mac: '3c:ec:ef:00:00:02', speedMbps: 2500, isUp: true, isBridge: false, addresses: ['10.1.2.3/16', 'fe80::1/64'] }] });
  await shows(/eno2\s+10\.1\.2\.3\/16\s/);
  await shows(/fe80::1\/64 \(link-local\)/);
});

test('a service that is away is told with its reason, and comes back by itself', async ({ open }) => {
  const { shows, setAway } = open();
  await shows(/All is well/);
  setAway('bothyd.service: activating (auto-restart), exit-code, 3 restarts\nBothy cannot start. The disk is full.');
  assert.match(await shows(/The service is starting/), /3 restarts[\s\S]*The disk is full/);
  setAway(undefined);
  await shows(/All is well/);
});

test('what has not changed is not written again, and what the kernel writes is written over', async ({ site, open }) => {
  const { terminal, shows } = open();
  await shows(/All is well/);
  terminal.written();
  await site.send('POST', '/api/v1/vms', { name: 'tills', vcpus: 1, memoryBytes: 64 * MiB, disks: [], nics: [] });
  await shows(/Virtual machines: 0 of 1 running/);
  const changed = terminal.written();
  assert.ok(changed.length > 0 && changed.length < 300, `${changed.length} bytes for one line`);
  assert.not.match(changed, /\[2J/, 'no clearing, which would flicker');
  terminal.intrude('\r\n[  12.3] usb 1-1: new device\r\n');
  assert.match(await terminal.text(), /usb 1-1/);
  terminal.type('\x0c');
  await shows(/^(?![\s\S]*usb 1-1)[\s\S]*All is well/);
});

test('a terminal that becomes smaller or larger is drawn anew', async ({ open }) => {
  const { terminal, shows } = open();
  await shows(/All is well/);
  terminal.resize(60, 20);
  await shows(/All is well/);
  const shown = await terminal.rows();
  assert.equal([shown.length, shown.at(-1)?.startsWith(' M menu')], [20, true]);
});

test('the menu: arrows, letters, Enter and Escape', async ({ open }) => {
  const { terminal, shows } = open();
  await shows(/All is well/);
  terminal.type('m');
  assert.match(await shows(/> V {2}Virtual machines/), /^ shop-7 {2}Menu *\n Arrow keys choose, Enter does, Esc goes back\./);
  terminal.type('<down><down>');
  await shows(/> A {2}Set an address/);
  terminal.type('<up><up><up>');
  await shows(/> Q {2}QR code/);
  terminal.type('<escape>');
  await shows(/All is well/);
});

test('a VM is restarted; the audit trail says that it was the console', async (context) => {
  await run(context, 'tills');
  const { terminal, shows } = context.open();
  await shows(/1 of 1 running/);
  terminal.type('v');
  await shows(/> tills\s+Up/);
  terminal.type('<enter>');
  await shows(/State: Up/);
  terminal.type('x');
  await shows(/tills: Reset it at once[\s\S]*Done/);
  assert.equal((await audit(context, 'vm.reset')).map(({ actor, from, outcome }) => [actor, from, outcome]), [['console', 'tty1', 'ok']]);
});

test('the box shuts down: asked first, VMs first, progress shown; No is what a bare Enter means', async (context) => {
  await run(context, 'tills');
  const { terminal, shows } = context.open();
  await shows(/1 of 1 running/);
  terminal.type('s');
  await shows(/One virtual machine is shut down first: tills\.[\s\S]*> N {2}No, go back/);
  terminal.type('<enter>');
  await shows(/All is well/);
  assert.is(await stateOf(context, 'tills'), 'up');
  terminal.type('s');
  await shows(/> N {2}No/);
  terminal.type('y');
  await shows(/Shutting down tills: 1 of 1/);
  await shows(/Done/);
  assert.equal(context.site.host.power.asked, ['poweroff']);
  assert.equal((await audit(context, 'host.shutdown')).map(({ actor, from }) => [actor, from]), [['console', 'tty1']]);
});

test('a shutdown that was asked for elsewhere is seen, and can be cancelled here', async (context) => {
  context.site.host.libvirt.behave({ shutdownMs: 'never' });
  await run(context, 'tills');
  const { terminal, shows } = context.open();
  await shows(/1 of 1 running/);
  await context.site.send('POST', '/api/v1/hosts/this/shutdown', {});
  await shows(/being shut down or restarted[\s\S]*Shutting down tills: 1 of 1/);
  terminal.type('s');
  await shows(/C cancel/);
  terminal.type('c');
  await shows(/Undoing|Cancelled/);
});

test('a user who was locked after wrong passwords is unlocked from the menu', async (context) => {
  const { site } = context;
  await site.send('POST', '/api/v1/users', { name: 'una', password: 'four unrelated words here' });
  await site.send('PATCH', '/api/v1/sign-in-rules', { lockAfter: 3 });
  for (let made = 0; made < 3; made += 1) await site.door.request('http://bothy/api/v1/sessions', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ user: 'una', password: 'a wrong password' }) });
  const { terminal, shows } = context.open();
  await shows(/All is well/);
  terminal.type('u');
  await shows(/una@internal/);
  terminal.type('<enter>');
  await shows(/una@internal can sign in again/);
  const [entry] = await audit(context, 'user.unlock');
  assert.equal([entry?.actor, entry?.from, entry?.outcome], ['console', 'tty1', 'ok']);
  terminal.type('<enter>u');
  await shows(/No user is locked/);
});

test('the password is reset only with the name of the box, and the new code is shown', async (context) => {
  const { site } = context;
  await site.send('POST', '/api/v1/setup', { code: site.app.setupCode(), password: 'correct horse battery' });
  const { terminal, shows } = context.open();
  await shows(/All is well/);
  terminal.type('p');
  await shows(/type the name of this box: shop-7/);
  terminal.type('shop-8<enter>');
  await shows(/This is not the name of this machine/);
  assert.is(site.app.setupCode(), undefined);
  terminal.type('<enter><backspace>7<enter>');
  const text = await shows(/no longer works[\s\S]*[A-Z0-9]{4}-[A-Z0-9]{4}-[A-Z0-9]{4}/);
  assert.ok(text.includes(site.app.setupCode() ?? 'no code'));
  terminal.type('<enter>');
  await shows(/Set-up code:/);
});

test('the QR code on the screen is that of the address, in blocks and without them', async ({ open }) => {
  const blocks = open({ columns: 100, rows: 40 });
  await blocks.shows(/All is well/);
  blocks.terminal.type('q');
  await blocks.shows(/http:\/\/127\.0\.0\.1:0 *\n/);
  const dark = (await blocks.terminal.rows()).slice(1, -1).join('\n');
  assert.match(dark, /█ ▄▄▄▄▄ █/, 'the eye of a QR code');
  const ascii = open({ columns: 80, rows: 25, glyphs: { hasBlocks: false, hasChinese: false } });
  await ascii.shows(/\* All is well/);
  assert.not.match(await ascii.terminal.text(), /[^\x20-\x7e\n]/, 'ASCII alone');
  ascii.terminal.type('q');
  await ascii.shows(/http:\/\/127\.0\.0\.1:0 *\n/);
  assert.is(ascii.terminal.scrolled(), 0);
});

test('Chinese where the terminal can show it, and only there', async ({ open }) => {
  const chinese = open({ glyphs: { hasBlocks: true, hasChinese: true } });
  await chinese.shows(/All is well/);
  chinese.terminal.type('l');
  await chinese.shows(/一切正常/);
  chinese.terminal.type('m');
  assert.match(await chinese.shows(/菜单/), /L {2}English/);
  const kernel = open();
  await kernel.shows(/All is well/);
  kernel.terminal.type('ml');
  assert.not.match(await kernel.shows(/Menu/), /中文/);
});

test('control characters in a name do not reach the terminal', async ({ site, open }) => {
  site.host.machine.change({ hostname: 'evil\x1b[2J\x07box' });
  const { terminal, shows } = open();
  await shows(/evil\?\[2J\?box/);
  assert.not.ok(terminal.written().includes('evil\x1b'));
});

test('two screens at once show the same', async (context) => {
  const [first, second] = [context.open(), context.open({ columns: 100, rows: 30 })];
  await Promise.all([first.shows(/All is well/), second.shows(/All is well/)]);
  await run(context, 'tills');
  await Promise.all([first.shows(/1 of 1 running/), second.shows(/1 of 1 running/)]);
});

test.run();
