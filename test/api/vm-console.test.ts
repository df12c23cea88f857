/** Consoles over real sockets: bytes both ways, scroll-back, one connection for many viewers, nobody waited for. */
import { appendFileSync, mkdirSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { mostConsoles, mostRelays, type Viewer } from '../../appliance/vm/console/console.ts';
import { overlapBytes, scrollBackBytes } from '../../appliance/vm/console/serial-hub.ts';
import { openTestApp, type TestApp } from '../world/app.ts';
import { openPerson } from '../world/person.ts';
import { find, findAll } from '../world/xml.ts';

/** QEMU's end of a console: a server on a unix socket, with all who have connected. */
interface Port {
  server: Server;
  connections: Socket[];
  received: string;
}

interface Context {
  site: TestApp;
  vnc: Port;
  serial: Port;
  logPath: string;
}

const test = suite<Context>('console');

async function openPort(path: string): Promise<Port> {
  mkdirSync(dirname(path), { recursive: true });
  const port: Port = { connections: [], received: '', server: createServer() };
  port.server.on('connection', (socket) => {
    port.connections.push(socket);
    socket.on('data', (chunk) => { port.received += chunk.toString('latin1'); });
    socket.on('error', () => {});
  });
  await new Promise<void>((resolve) => port.server.listen(path, resolve));
  return port;
}

async function closePort({ server, connections }: Port): Promise<void> {
  for (const socket of connections) socket.destroy();
  await new Promise((resolve) => server.close(resolve));
}

test.before.each(async (context) => {
  const site = await openTestApp();
  context.site = site;
  const { body } = await site.send<{ id: string }>('POST', '/api/v1/vms', { name: 'first', memoryBytes: 2 ** 28 });
  await site.carryOut('POST', '/api/v1/vms/first/start');
  const run = join(site.statePath, 'run/vms', body.id);
  context.logPath = join(run, 'serial.log');
  context.vnc = await openPort(join(run, 'vnc.sock'));
  context.serial = await openPort(join(run, 'serial.sock'));
  const tree = site.host.libvirt.domains()[0]?.tree;
  const listen = tree && findAll(tree, 'devices/graphics/listen')[0];
  if (!tree || !listen || find(tree, 'devices/serial/source')?.attributes['path'] !== join(run, 'serial.sock')) throw new Error('the domain has no consoles');
  listen.attributes['socket'] = join(run, 'vnc.sock'); // as libvirt chooses one
});
test.after.each(async ({ site, vnc, serial }) => {
  await closePort(vnc);
  await closePort(serial);
  await site.close();
});

interface TestViewer extends Viewer {
  seen: string;
  closed: { code: number | undefined } | undefined;
  type(text: string): void;
  leave(): void;
}

/** `waitingBytes` plays a connection that does not drain. */
function makeViewer(waitingBytes = 0): TestViewer {
  const listeners: ((data: Uint8Array) => void)[] = [];
  const closers: (() => void)[] = [];
  const viewer: TestViewer = {
    seen: '', closed: undefined,
    send(data) {
      viewer.seen += Buffer.from(data as Uint8Array).toString('latin1'); // consoles send bytes
      return waitingBytes;
    },
    close(code) {
      viewer.closed ??= { code };
      for (const closed of closers.splice(0)) closed();
    },
    onMessage: (listener) => void listeners.push(listener),
    onClose: (listener) => void closers.push(listener),
    type: (text) => { for (const listener of listeners) listener(Buffer.from(text, 'latin1')); },
    leave: () => { for (const closed of closers.splice(0)) closed(); },
  };
  return viewer;
}

async function open({ site }: Context, type: 'vnc' | 'serial', viewer = makeViewer()): Promise<TestViewer> {
  const { body } = await site.send<{ ticket: string }>('POST', '/api/v1/vms/first/console', { type });
  const attach = site.app.openConsole(body.ticket);
  assert.ok(attach);
  attach?.(viewer);
  return viewer;
}

async function until(what: string, isTrue: () => boolean): Promise<void> {
  for (let tries = 0; !isTrue(); tries++) {
    if (tries > 1000) throw new Error(`never came: ${what}`);
    await sleep(5);
  }
}

test('a screen is a connection of its own for each viewer, bytes both ways, from the first byte', async (context) => {
  const [one, two] = [await open(context, 'vnc'), await open(context, 'vnc')];
  one.type('RFB one');
  await until('two connections', () => context.vnc.connections.length === 2);
  await until('the input', () => context.vnc.received === 'RFB one');
  for (const socket of context.vnc.connections) socket.write('RFB 003.008\n');
  await until('both see it', () => one.seen === 'RFB 003.008\n' && two.seen === 'RFB 003.008\n');
  context.vnc.connections[0]?.end();
  await until('one ends', () => one.closed?.code === 1000 || two.closed?.code === 1000);
  assert.is([one, two].filter(({ closed }) => closed).length, 1);
});

test('QEMU sees a viewer leave', async (context) => {
  const viewer = await open(context, 'vnc');
  await until('a connection', () => context.vnc.connections.length === 1);
  let isGone = false;
  context.vnc.connections[0]?.on('close', () => { isGone = true; });
  viewer.leave();
  await until('it is closed', () => isGone);
});

test('a serial console is one connection for all; each first sees what was written before', async (context) => {
  appendFileSync(context.logPath, 'Debian GNU/Linux 12\r\nlogin: ');
  const one = await open(context, 'serial');
  await until('the scroll-back', () => one.seen === 'Debian GNU/Linux 12\r\nlogin: ');
  one.type('root\r');
  await until('the input', () => context.serial.received === 'root\r');
  context.serial.connections[0]?.write('root\r\nPassword: ');
  await until('the echo', () => one.seen.endsWith('Password: '));
  const two = await open(context, 'serial');
  await until('the second sees all', () => two.seen === one.seen);
  context.serial.connections[0]?.write('!');
  await until('both see more', () => one.seen.endsWith('!') && two.seen.endsWith('!'));
  two.type('x');
  await until('both may type', () => context.serial.received === 'root\rx');
  assert.is(context.serial.connections.length, 1);
});

test('only the last part of a long log is shown', async (context) => {
  appendFileSync(context.logPath, `${'a'.repeat(scrollBackBytes)}${'b'.repeat(scrollBackBytes)}`);
  const viewer = await open(context, 'serial');
  await until('the scroll-back', () => viewer.seen.length > 0);
  assert.is(viewer.seen, 'b'.repeat(scrollBackBytes));
});

test('the connection ends with the last viewer, and the next viewer makes a new one', async (context) => {
  const [one, two] = [await open(context, 'serial'), await open(context, 'serial')];
  await until('a connection', () => context.serial.connections.length === 1);
  let isGone = false;
  context.serial.connections[0]?.on('close', () => { isGone = true; });
  one.leave();
  await sleep(50);
  assert.not.ok(isGone);
  two.leave();
  await until('it is closed', () => isGone);
  await open(context, 'serial');
  await until('a new connection', () => context.serial.connections.length === 2);
});

test('a viewer that does not keep up is dropped; the others stay', async (context) => {
  const [slow, quick] = [await open(context, 'serial', makeViewer(2 ** 30)), await open(context, 'serial')];
  await until('a connection', () => context.serial.connections.length === 1);
  context.serial.connections[0]?.write('words');
  await until('the quick one reads', () => quick.seen === 'words');
  assert.equal([slow.closed?.code, quick.closed], [4408, undefined]);
  const slowScreen = await open(context, 'vnc', makeViewer(2 ** 30));
  await until('a screen', () => context.vnc.connections.length === 1);
  context.vnc.connections[0]?.write('pixels');
  await until('it is dropped', () => slowScreen.closed?.code === 4408);
});

test('when QEMU goes every viewer is told', async (context) => {
  const [one, two] = [await open(context, 'serial'), await open(context, 'serial')];
  await until('a connection', () => context.serial.connections.length === 1);
  context.serial.connections[0]?.destroy();
  await until('both are told', () => one.closed?.code === 1000 && two.closed?.code === 1000);
});

test('a VM that went down meanwhile is told as absent', async (context) => {
  const { body } = await context.site.send<{ ticket: string }>('POST', '/api/v1/vms/first/console', {});
  await context.site.carryOut('POST', '/api/v1/vms/first/power-off');
  const viewer = makeViewer();
  context.site.app.openConsole(body.ticket)?.(viewer);
  await until('it is told', () => viewer.closed?.code === 4404);
});

test('a console ends when the right to it is taken back, and a ticket that was not used opens none', async (context) => {
  const { site } = context;
  const user = await openPerson(site, 'una');
  const give = { user: 'una', role: 'vm-user', kind: 'vm', object: 'first' };
  const { body: given } = await site.send<{ id: string }>('POST', '/api/v1/assignments', give);
  const ticket = async () => (await user.send<{ ticket: string }>('POST', '/api/v1/vms/first/console', {})).body.ticket;
  const [viewer, late, others] = [makeViewer(), makeViewer(), await open(context, 'vnc')];
  site.app.openConsole(await ticket())?.(viewer);
  const port = Number(/^port=(\d+)$/m.exec((await user.send<string>('GET', '/api/v1/vms/first/console.vv')).body)?.[1]);
  const relayed = connect(port, '127.0.0.1');
  relayed.on('error', () => {});
  await until('three connections', () => context.vnc.connections.length === 3);
  const unused = await ticket();
  await site.send('POST', '/api/v1/groups', { name: 'else' });
  assert.is(viewer.closed, undefined, 'a change of the rights of others');
  await site.send('DELETE', `/api/v1/assignments/${given.id}`);
  assert.is(viewer.closed?.code, 4403);
  await until('the relay ends', () => relayed.destroyed);
  site.app.openConsole(unused)?.(late);
  assert.is(late.closed?.code, 4403);
  assert.is(others.closed, undefined);
});

test('a console ends with the session that it was opened in', async (context) => {
  const { site } = context;
  const user = await openPerson(site, 'una', ['vm-user']);
  const viewer = makeViewer();
  const { body } = await user.send<{ ticket: string }>('POST', '/api/v1/vms/first/console', { type: 'serial' });
  site.app.openConsole(body.ticket)?.(viewer);
  await until('a connection', () => context.serial.connections.length === 1);
  await user.send('DELETE', '/api/v1/sessions/current');
  assert.is(viewer.closed?.code, 4403);
});

test('the file for virt-viewer leads to the screen, once', async (context) => {
  const { body } = await context.site.send<{ token: string }>('POST', '/api/v1/tokens', { name: 'viewer' });
  const response = await context.site.door.request('http://bothy/api/v1/vms/first/console.vv', { headers: { authorization: `Bearer ${body.token}` } });
  assert.is(response.headers.get('content-type'), 'application/x-virt-viewer');
  const file = await response.text();
  assert.match(file, /^\[virt-viewer\]\ntype=vnc\nhost=127\.0\.0\.1\nport=\d+\ntitle=first\n/);
  const port = Number(/^port=(\d+)$/m.exec(file)?.[1]);
  const viewer = connect(port, '127.0.0.1');
  await until('a connection', () => context.vnc.connections.length === 1);
  context.vnc.connections[0]?.write('RFB 003.008\n');
  const [greeting] = await new Promise<Buffer[]>((resolve) => viewer.once('data', (chunk) => resolve([chunk])));
  assert.is(greeting?.toString(), 'RFB 003.008\n');
  const second = connect(port, '127.0.0.1');
  const refusal = await new Promise<NodeJS.ErrnoException>((resolve) => second.once('error', resolve));
  assert.is(refusal.code, 'ECONNREFUSED');
  viewer.destroy();
});

const viewerFile = async ({ site }: Context, token: string, method = 'GET') =>
  site.door.request('http://bothy/api/v1/vms/first/console.vv', { method, headers: { authorization: `Bearer ${token}` } });
const tokenOf = async ({ site }: Context) => (await site.send<{ token: string }>('POST', '/api/v1/tokens', { name: 'viewer' })).body.token;

test('a question by HEAD opens nothing', async (context) => {
  const token = await tokenOf(context);
  for (let tries = 0; tries < 2 * mostRelays; tries++) {
    const response = await viewerFile(context, token, 'HEAD');
    assert.equal([response.status, response.headers.get('content-type')], [200, 'application/x-virt-viewer']);
  }
  assert.is((await viewerFile(context, token)).status, 200, 'no relay was counted');
});

test('virt-viewer gets so many relays and no more, until one ends', async (context) => {
  const token = await tokenOf(context);
  const ports: number[] = [];
  for (let n = 0; n < mostRelays; n++) ports.push(Number(/^port=(\d+)$/m.exec(await (await viewerFile(context, token)).text())?.[1]));
  const refused = await viewerFile(context, token);
  assert.is(refused.status, 409);
  const problem = (await refused.json()) as { type: string; detail: string }; // a problem, by its status
  assert.is(problem.type, 'in-use');
  assert.match(problem.detail, `virt-viewer has ${mostRelays} connections to first`);
  const viewer = connect(ports[0] ?? 0, '127.0.0.1');
  await until('a connection', () => context.vnc.connections.length === 1);
  assert.is((await viewerFile(context, token)).status, 409, 'one that is used is counted');
  viewer.destroy();
  await sleep(100);
  assert.is((await viewerFile(context, token)).status, 200);
});

test('a VM has so many consoles and no more, tickets counted, until one ends', async (context) => {
  const ask = () => context.site.send<{ type?: string; detail?: string; ticket: string }>('POST', '/api/v1/vms/first/console', { type: 'serial' });
  const viewers: TestViewer[] = [];
  for (let n = 1; n < mostConsoles; n++) viewers.push(await open(context, n % 2 === 0 ? 'vnc' : 'serial'));
  const last = (await ask()).body;
  const { status, body } = await ask();
  assert.equal([status, body.type], [409, 'in-use']);
  assert.match(body.detail ?? '', `first has ${mostConsoles} consoles open`);
  viewers[0]?.leave();
  const next = (await ask()).body;
  const [one, two] = [makeViewer(), makeViewer()];
  context.site.app.openConsole(last.ticket)?.(one);
  context.site.app.openConsole(next.ticket)?.(two);
  await sleep(50);
  assert.equal([one.closed, two.closed], [undefined, undefined], 'each ticket that was given out is good');
  assert.is((await ask()).status, 409);
});

test('the seam of log and live output is found', () => {
  const at = (logged: string, live: string) => overlapBytes(Buffer.from(logged), Buffer.from(live));
  assert.is(at('abcdef', 'defghi'), 3);
  assert.is(at('abc', 'xyz'), 0);
  assert.is(at('', 'abc'), 0);
  assert.is(at('aab', 'aab'), 3);
  assert.is(at('xabcabc', 'abcabcd'), 6);
});

test.run();
