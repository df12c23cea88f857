/** `npm start` on a machine where nothing runs yet: from the command to a service that answers, and again. */
import { cpSync, mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { real } from './count.ts';
import { checkout, openRackHost, type RackHost } from './rack-host.ts';

const test = suite<{ host: RackHost; folder: string }>('start');

test.before(async (context) => {
  context.host = await openRackHost({ daemons: [] });
  context.folder = copyCheckout(context.host.path('bothy'));
});
test.after(async ({ host }) => host?.close());

/** What a fresh clone holds, so that all of it is compiled, and the dependencies, which would take minutes. */
function copyCheckout(folder: string): string {
  mkdirSync(folder);
  const left = ['.git', 'node_modules', 'state', 'build', 'native/build'].map((name) => join(checkout, name));
  cpSync(checkout, folder, { recursive: true, preserveTimestamps: true, filter: (path) => !left.includes(path) });
  symlinkSync(join(checkout, 'node_modules'), join(folder, 'node_modules'));
  return folder;
}

test('starts libvirt and the service, opens the way to the disks, and prints address and set-up code', async ({ host, folder }) => {
  await host.must(['mkdir', '-p', '-m', '700', '/srv/private']);
  const env = { BOTHY_STATE: '/srv/private/state' };
  const service = host.spawn(['npm', 'start'], { cwd: folder, env });
  await service.line(/^Bothy .* is ready: http:\/\/127\.0\.0\.1:8080/, 120_000);
  await service.line(/^Set-up code: \S+/);
  assert.match(service.output(), /starting virtlogd[\s\S]*starting libvirtd/);
  assert.match(service.output(), /letting libvirt-qemu pass through \/srv\/private,/);
  await host.must(['setpriv', '--reuid=libvirt-qemu', '--clear-groups', 'test', '-x', '/srv/private/state/..']);
  assert.is((await host.fetch('/healthz')).status, 200);
  const code = service.output().match(/^Set-up code: (\S+)/m)?.[1] ?? '';
  assert.match(await host.must(['npx', 'bothy', 'setup-code'], { cwd: folder, env }), new RegExp(code));
  await service.end();
  real('libvirt');
});

const domain = `<domain type='qemu'><name>theirs</name><memory unit='MiB'>64</memory><os><type arch='x86_64' machine='q35'>hvm</type></os></domain>`;
const network = `<network><name>theirs</name><bridge name='theirs0'/><ip address='10.98.7.1' netmask='255.255.255.0'/></network>`;

/** Everything that libvirt has of others; times and counters left out. */
async function seen(host: RackHost): Promise<string> {
  const ask = async (...args: string[]) => host.must(['virsh', '-q', ...args]);
  return [await ask('dumpxml', 'theirs'), await ask('domstate', 'theirs'), await ask('net-dumpxml', 'theirs'), await ask('net-info', 'theirs'), await ask('list', '--all')].join('\n');
}

test('leaves a libvirt that runs alone, with the domains and networks of others', async ({ host, folder }) => {
  for (const [verb, xml] of [['define', domain], ['net-define', network]] as const) {
    await host.must(['tee', '/srv/xml'], { input: xml });
    await host.must(['virsh', '-q', verb, '/srv/xml']);
  }
  await host.must(['virsh', '-q', 'start', 'theirs']);
  await host.must(['virsh', '-q', 'net-start', 'theirs']);
  const [before, theirs] = [await host.must(['pgrep', '-x', 'libvirtd']), await seen(host)];
  const service = host.spawn(['npm', 'start'], { cwd: folder, env: { BOTHY_STATE: '/srv/private/state' } });
  await service.line(/^Bothy .* is ready/, 120_000);
  assert.is(await host.must(['pgrep', '-x', 'libvirtd']), before);
  assert.not.match(service.output(), /starting|letting|compiling|installing/);
  const vms = JSON.parse(await host.must(['curl', '-sf', '--unix-socket', '/srv/private/state/run/bothy.sock', 'http://bothy/api/v1/vms']));
  assert.equal(vms, { items: [], next: null, foreignDomains: 1 });
  await service.end();
  assert.is(await seen(host), theirs);
  real('libvirt');
});

test('tells a user who may not what to do', async ({ host, folder }) => {
  const result = await host.run(['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', join(folder, 'image/start')]);
  assert.is(result.code, 1);
  assert.match(result.stderr, /sudo npm start/);
});

test.run();
