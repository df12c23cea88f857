/** virt-viewer from another machine: SPICE over TLS with the certificate in the file, and nothing else; over real sockets, with a guest that is simulated. */
import { X509Certificate } from 'node:crypto';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { connect, type TLSSocket } from 'node:tls';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { openTestApp, type TestApp } from '../world/app.ts';
import { makePair } from '../world/certificate.ts';
import { findAll } from '../world/xml.ts';

interface Context {
  site: TestApp;
  guest: Server;
}

const test = suite<Context>('viewers on other machines');
const elsewhere = { incoming: { socket: { remoteAddress: '198.51.100.7', remotePort: 40_000, remoteFamily: 'IPv4' } } };
const here = { incoming: { socket: { remoteAddress: '127.0.0.1', remotePort: 40_000, remoteFamily: 'IPv4' } } };

/** QEMU's end: says what it hears again. */
async function startEcho(path: string): Promise<Server> {
  const server = createServer((socket) => socket.on('error', () => {}).pipe(socket));
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return server;
}

test.before(async (context) => {
  // Loopback in another notation, which the appliance takes for an address that others reach.
  const site = await openTestApp({ isSecure: true, listen: '::ffff:127.0.0.1' });
  context.site = site;
  await site.app.certificates.ready();
  for (const [name, graphics] of [['desk', 'spice'], ['plain', 'vnc']]) {
    await site.send('POST', '/api/v1/vms', { name, graphics, memoryBytes: 2 ** 28 });
    await site.carryOut('POST', `/api/v1/vms/${name}/start`);
  }
  const path = join(site.statePath, 'spice.sock');
  context.guest = await startEcho(path);
  for (const { tree } of site.host.libvirt.domains()) {
    for (const listen of findAll(tree, 'devices/graphics/listen')) listen.attributes['socket'] = path; // as libvirt chooses one
  }
});
test.after(async ({ site, guest }) => {
  await site.close();
  guest.close();
});

async function ask({ site }: Context, vm: string, from: object, host = 'box.example.org'): Promise<{ status: number; text: string; field(name: string): string }> {
  const token = await site.tokenFor(['administrator']);
  const response = await site.door.request(`https://${host}/api/v1/vms/${vm}/console.vv`, { headers: { authorization: `Bearer ${token}` } }, from);
  const text = await response.text();
  return { status: response.status, text, field: (name) => new RegExp(`^${name}=(.*)$`, 'm').exec(text)?.[1] ?? '' };
}

function dial(port: number, ca: string): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', ca, checkServerIdentity: () => undefined }, () => resolve(socket));
    socket.once('error', reject);
  });
}

test('SPICE goes there over TLS, with a certificate that the file carries, and leads to the guest', async (context) => {
  const { field } = await ask(context, 'desk', elsewhere);
  assert.equal([field('type'), field('host'), field('port'), field('secure-channels'), field('title')], ['spice', 'box.example.org', '', 'all', 'desk']);
  assert.ok(field('password').length >= 32);
  const port = Number(field('tls-port'));
  assert.ok(port >= 45_900 && port <= 45_903, `of the ports that a firewall knows: ${port}`);
  const ca = field('ca').replaceAll('\\n', '\n');
  assert.is(field('host-subject'), new X509Certificate(ca).subject);
  const socket = await dial(port, ca);
  socket.write('REDQ');
  assert.is(await new Promise((resolve) => socket.once('data', (chunk) => resolve(chunk.toString()))), 'REDQ');
  const second = await dial(port, ca); // screen, keys and sound are connections of their own
  second.destroy();
  socket.destroy();
});

test('who does not know the certificate is not shown the guest, and what is not TLS is not heard', async (context) => {
  const { field } = await ask(context, 'desk', elsewhere);
  const failure = await dial(Number(field('tls-port')), '').catch((error: NodeJS.ErrnoException) => error);
  assert.ok(failure instanceof Error && /self.signed/i.test(failure.message), String(failure));
});

test('a certificate that people gave is not in the file: viewers know who signed it', async (context) => {
  await context.site.send('PUT', '/api/v1/hosts/this/certificate', makePair('shop.example.org'));
  const { field } = await ask(context, 'desk', elsewhere);
  assert.equal([field('type'), field('ca'), field('host-subject')], ['spice', '', '']);
  assert.is((await context.site.send('DELETE', '/api/v1/hosts/this/certificate')).status, 200);
});

test('VNC does not go there, and the refusal says what does; on this machine it does, as before', async (context) => {
  const refusal = await ask(context, 'plain', elsewhere);
  assert.is(refusal.status, 409);
  assert.match(refusal.text, /not encrypted.*Use the screen in the browser, or choose SPICE/);
  for (const [vm, type] of [['plain', 'vnc'], ['desk', 'spice']] as const) {
    const { field } = await ask(context, vm, here);
    assert.equal([field('type'), field('host'), field('tls-port'), field('ca')], [type, '127.0.0.1', '', '']);
  }
});

test('the page offers virt-viewer where it works', async ({ site }) => {
  const token = await site.tokenFor(['administrator']);
  const offered = async (vm: string, from: object) => (await (await site.door.request(`https://box/vms/${vm}/console`, { headers: { authorization: `Bearer ${token}` } }, from)).text()).includes('console.vv');
  assert.equal([await offered('plain', elsewhere), await offered('plain', here), await offered('desk', elsewhere)], [false, true, true]);
});

test.run();
