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

/** The checkout inside is read-only, as no test may change it; set-up writes in its own. */
function copyCheckout(folder: string): string {
  mkdirSync(folder);
  const left = ['.git', 'node_modules', 'state'].map((name) => join(checkout, name));
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

test('leaves a libvirt that runs alone', async ({ host, folder }) => {
  const before = await host.must(['pgrep', '-x', 'libvirtd']);
  const service = host.spawn(['npm', 'start'], { cwd: folder, env: { BOTHY_STATE: '/srv/private/state' } });
  await service.line(/^Bothy .* is ready/, 120_000);
  assert.is(await host.must(['pgrep', '-x', 'libvirtd']), before);
  assert.not.match(service.output(), /starting|letting/);
  await service.end();
  real('libvirt');
});

test('tells a user who may not what to do', async ({ host, folder }) => {
  const result = await host.run(['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', join(folder, 'image/start')]);
  assert.is(result.code, 1);
  assert.match(result.stderr, /sudo npm start/);
});

test.run();
