/** Addresses of the machine's own ports by the API: on trial, confirmed, taken back; what the files of systemd-networkd say. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { formToInput } from '../../appliance/http/form.ts';
import { networkFile, parseDefaultRoutes, parseNetworkFile } from '../../appliance/network/port-file.ts';
import { createPortFiles } from '../../appliance/network/port-files.ts';
import { PortInput } from '../../appliance/network/schema.ts';
import { portFault } from '../../appliance/network/rules.ts';
import { openTestApp, type TestApp } from '../world/app.ts';
import { openBoxScreen } from '../world/box-screen.ts';
import { createVirtualClock, type VirtualClock } from '../world/clock.ts';

interface Context {
  site: TestApp;
  clock: VirtualClock;
}

const test = suite<Context>('host network');
const fixed = { method: 'static', address: '10.1.2.3/24', gateway: '10.1.2.1', dns: ['10.1.2.1'] };

test.before.each(async (context) => {
  context.clock = createVirtualClock();
  context.site = await context.clock.during(openTestApp({ clock: context.clock }));
});
test.after.each(({ clock, site }) => clock.during(site.close()));

interface Shown {
  ports: { name: string; addresses: string[]; settings: object | null }[];
  gateways: object[];
  trial: string | null;
}

const show = async ({ site }: Context) => (await site.send<Shown>('GET', '/api/v1/hosts/this/network')).body;
const addressesOf = async (context: Context, name = 'eno1') => (await show(context)).ports.find((port) => port.name === name)?.addresses;
const set = ({ site }: Context, body: object, port = 'eno1') => site.send<{ id: string; detail: string }>('PUT', `/api/v1/hosts/this/network/ports/${port}`, body);
const confirm = ({ site }: Context) => site.send<{ detail: string }>('POST', '/api/v1/hosts/this/network/confirm', {});
const ended = (context: Context, id: string) => context.clock.during(context.site.app.core.tasks.ended(id));

test('an address that is confirmed stays', async (context) => {
  const { body: { id } } = await set(context, fixed);
  await context.clock.advance(1_000);
  assert.equal([await addressesOf(context), (await show(context)).trial], [['10.1.2.3/24'], id]);
  assert.is((await confirm(context)).status, 204);
  assert.is((await ended(context, id)).state, 'done');
  await context.clock.advance(600_000);
  assert.equal([await addressesOf(context), (await show(context)).gateways], [['10.1.2.3/24'], [{ port: 'eno1', address: '10.1.2.1' }]]);
  assert.is((await confirm(context)).status, 409, 'nothing is on trial any more');
});

test('one that nobody confirms goes, and what was set before is back', async (context) => {
  const first = (await set(context, fixed)).body.id;
  await context.clock.advance(1_000);
  await confirm(context);
  await ended(context, first);
  const startedAt = context.clock.now();
  const { body: { id } } = await set(context, { method: 'static', address: '10.9.9.9/24' });
  const row = await ended(context, id);
  assert.is(row.state, 'failed');
  assert.ok(context.clock.now() - startedAt >= 60_000 && context.clock.now() - startedAt < 65_000);
  assert.match(JSON.stringify(row.problem), /Nobody confirmed the new addresses in time/);
  assert.equal((await show(context)).ports.find(({ name }) => name === 'eno1')?.settings, fixed);
});

test('where nobody is awaited, the network confirms: the gateway answers, or what was there before is back', async (context) => {
  const unattended = { ...fixed, confirmBy: 'network' };
  const kept = (await set(context, unattended)).body.id;
  assert.is((await ended(context, kept)).state, 'done');
  assert.equal(await addressesOf(context), ['10.1.2.3/24']);
  context.site.host.hostNetwork.isAnswering = false;
  const lost = (await set(context, { ...unattended, address: '10.1.2.9/24' })).body.id;
  const row = await ended(context, lost);
  assert.match(JSON.stringify(row.problem), /Nothing answered at the gateway 10\.1\.2\.1 behind eno1, so the old addresses are back/);
  assert.equal(await addressesOf(context), ['10.1.2.3/24']);
});

test('a port is known by its MAC address, too', async (context) => {
  const { nics } = await context.site.host.machine.facts();
  const mac = nics.find(({ name }) => name === 'eno2')?.mac ?? '';
  await context.clock.during(ended(context, (await set(context, { ...fixed, confirmBy: 'network' }, mac.toUpperCase())).body.id));
  assert.equal(await addressesOf(context, 'eno2'), ['10.1.2.3/24']);
});

test('a cancelled trial takes the address back at once', async (context) => {
  const { body: { id } } = await set(context, fixed);
  await context.clock.advance(1_000);
  await context.site.send('POST', `/api/v1/tasks/${id}/cancel`);
  await ended(context, id);
  assert.equal([await addressesOf(context), (await show(context)).ports[0]?.settings], [[], null]);
});

test('a kill in the middle of the trial ends as if there had been none', async (context) => {
  const { body: { id } } = await set(context, fixed);
  await context.clock.advance(5_000);
  context.site = await context.clock.during(context.site.killAndRestart());
  await ended(context, id);
  assert.equal(await addressesOf(context), []);
});

test('a confirmation that was acknowledged holds over a kill', async (context) => {
  const { body: { id } } = await set(context, fixed);
  await context.clock.advance(5_000);
  assert.is((await confirm(context)).status, 204);
  context.site = await context.clock.during(context.site.killAndRestart());
  assert.is((await ended(context, id)).state, 'done');
  assert.equal(await addressesOf(context), ['10.1.2.3/24']);
});

test('two trials at once, unknown ports and machines that are not ours are refused', async (context) => {
  await set(context, fixed);
  await context.clock.advance(1_000);
  assert.is((await set(context, fixed, 'eno2')).status, 409);
  assert.is((await set(context, fixed, 'eno7')).status, 404);
  assert.is((await set(context, fixed, 'br0')).status, 404, 'a bridge is no port');
  assert.is((await set(context, fixed, 'en*')).status, 400, 'no pattern');
  context.site.host.hostNetwork.isManaged = false;
  assert.match((await set(context, fixed)).body.detail, /BOTHY_MANAGE_HOST/);
});

test('where the system refuses, the old settings stay', async (context) => {
  context.site.host.hostNetwork.refuse(new Error('networkctl failed with exit code 1'));
  const { body: { id } } = await set(context, fixed);
  await context.clock.advance(2_000);
  context.site.host.hostNetwork.refuse(undefined);
  assert.is((await ended(context, id)).state, 'failed');
  assert.equal(await addressesOf(context), []);
});

test('wrong addresses are refused by field', () => {
  const fault = (address: string | null, gateway: string | null = null, method: 'dhcp' | 'static' = 'static') => portFault({ method, address, gateway }).map(({ path }) => path);
  assert.equal(fault('10.1.2.3/24', '10.1.2.1'), []);
  assert.equal(fault('10.1.2.3/31', '10.1.2.2'), []);
  assert.equal(fault('2001:db8::5/64', 'fe80::1'), []);
  for (const wrong of ['10.1.2.0/24', '10.1.2.255/24', '127.0.0.1/8', '224.0.0.5/24', null]) assert.equal(fault(wrong), ['address'], String(wrong));
  for (const wrong of ['10.1.3.1', '10.1.2.3', 'fe80::1']) assert.equal(fault('10.1.2.3/24', wrong), ['gateway'], wrong);
  assert.equal(fault('10.1.2.3/24', null, 'dhcp'), ['address']);
});

test('a form tells name servers in one field', () => {
  const form = new URLSearchParams({ method: 'static', address: '10.1.2.3/24', gateway: '', dns: '10.1.2.1, 2001:db8::1  9.9.9.9' });
  assert.equal(formToInput(form, PortInput), { method: 'static', address: '10.1.2.3/24', dns: ['10.1.2.1', '2001:db8::1', '9.9.9.9'] });
  assert.equal(formToInput(new URLSearchParams({ dns: '' }), PortInput), { dns: [] }, 'an empty one takes them away');
});

test('the file of a port is what systemd-networkd reads, and is read back', () => {
  const settings = { method: 'static' as const, address: '10.1.2.3/24', gateway: '10.1.2.1', dns: ['10.1.2.1', '2001:db8::1'] };
  const text = networkFile('eno1', settings);
  assert.match(text, /^\[Match\]\nName=eno1\n\n\[Network\]\nDHCP=no\nAddress=10\.1\.2\.3\/24\nGateway=10\.1\.2\.1\nDNS=10\.1\.2\.1\nDNS=2001:db8::1\nLinkLocalAddressing=yes$/m);
  assert.equal(parseNetworkFile(text), settings);
  const dhcp = { method: 'dhcp' as const, address: null, gateway: null, dns: [] };
  assert.equal(parseNetworkFile(networkFile('eno1', dhcp)), dhcp);
  const routes = 'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\neno1\t00000000\t010A000A\t0003\t0\t0\t1024\t00000000\t0\t0\t0\neno1\t000A000A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n';
  assert.equal(parseDefaultRoutes(routes), [{ port: 'eno1', address: '10.0.10.1' }]);
});

test('only our own file is written and removed, and only on a machine that is ours', async () => {
  const root = mkdtempSync(join(tmpdir(), 'bothy-ports-'));
  const folder = join(root, 'etc/systemd/network');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, '50-mine.network'), '[Match]\nName=eno1\n');
  const asked: string[] = [];
  const ports = createPortFiles({ isManaged: true, root, tool: async (argv) => { asked.push(argv.join(' ')); return ''; } });
  await ports.set('eno1', { method: 'dhcp', address: null, gateway: null, dns: ['9.9.9.9'] });
  assert.equal(readdirSync(folder).sort(), ['50-mine.network', '60-bothy-eno1.network']);
  assert.equal(await ports.settings(), { eno1: { method: 'dhcp', address: null, gateway: null, dns: ['9.9.9.9'] } });
  await ports.set('eno1', null);
  assert.equal([readdirSync(folder), readFileSync(join(folder, '50-mine.network'), 'utf8')], [['50-mine.network'], '[Match]\nName=eno1\n']);
  assert.equal(asked, ['networkctl reload', 'networkctl reconfigure -- eno1', 'networkctl reload', 'networkctl reconfigure -- eno1']);
  const foreign = createPortFiles({ isManaged: false, root, tool: async () => { throw new Error('asked'); } });
  await foreign.set('eno1', null).then(() => assert.unreachable(), (error) => assert.match(String(error), /not ours/));
  rmSync(root, { recursive: true });
});

test('at the screen of the box: a port, an address, and K to keep it', async () => {
  const site = await openTestApp();
  const screen = openBoxScreen(site);
  const { terminal, shows } = screen;
  await shows(/All is well/);
  terminal.type('a');
  await shows(/> eno1/);
  terminal.type('<enter>');
  await shows(/> D {2}/);
  terminal.type('f');
  await shows(/Address with length/);
  terminal.type('10.1.2.3/24<enter>10.1.2.1<enter><enter>');
  await shows(/10\.1\.2\.3\/24[\s\S]*> N {2}No/);
  terminal.type('y');
  await shows(/K[\s\S]*\d+ s/);
  terminal.type('k');
  await shows(/Done/);
  terminal.type('<enter>');
  await shows(/eno1\s+10\.1\.2\.3\/24/);
  const { items } = (await site.send<{ items: { actor: string; operation: string }[] }>('GET', '/api/v1/audit')).body;
  assert.equal(items.filter(({ operation }) => operation.startsWith('host-network.')).map(({ actor }) => actor), ['console', 'console']);
  await screen.close();
  await site.close();
});

test.run();
