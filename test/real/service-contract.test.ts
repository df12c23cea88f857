/**
 * The contract by example: an administrator's session in a shell, line by line as it was agreed, against the real service.
 *
 * Real curl, the real command line, libvirt, QEMU and qemu-img. What a line prints is checked; where it starts a task, the
 * task is waited for. Called by nobody; `-sf` makes curl fail on every answer of 400 and above.
 */
import { symlinkSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { real } from './count.ts';
import { memtestIso } from './guest/iso.ts';
import { checkout, openRackHost } from './rack-host.ts';
import { makeCheckoutWritable, Service, type Task, type Vm } from './service.ts';
import { isWrittenOn, memtestBlue, readScreen } from './service-screen.ts';

interface Page<T> {
  items: T[];
}

/** One shell line in the host; `TOKEN` lives on in the lines after it. */
function openShell({ host, env }: Service) {
  const session = host.path('session');
  const before = `B=http://127.0.0.1:8080/api/v1; C=C; C() { curl -sf -H "Authorization: Bearer $TOKEN" "$@"; }; touch ${session}; . ${session}`;
  return async (line: string, cwd = host.scratch): Promise<string> => {
    const script = `${before}\n${line}\n[ -z "$TOKEN" ] || declare -p TOKEN >${session}`;
    return host.must(['bash', '-e', '-o', 'pipefail', '-c', script], { env, cwd });
  };
}

test('an administrator\'s session works as printed', async () => {
  const host = await openRackHost({ network: true });
  const service = new Service(host, {});
  const type = openShell(service);
  const read = async <T>(line: string): Promise<T> => JSON.parse(await type(line));
  const done = (id: string) => service.until(`task ${id} is done`, async () => (await read<Task>(`$C $B/tasks/${id}`)).state === 'done');
  try {
    await makeCheckoutWritable(host);
    await service.start();
    const code = (await service.process.line(/^Set-up code: /)).split(': ')[1];
    symlinkSync(await memtestIso(), host.path('memtest86+x64.iso'));

    await type(`curl -sf -X POST $B/setup -H 'content-type: application/json' -d '{"code":"${code}","password":"correct horse battery"}'`);
    await type('TOKEN=$(npx bothy token create --name ci)', checkout);
    const domains = await read<Page<{ name: string; kind: string; status: string }>>('$C $B/storage-domains');
    assert.equal(domains.items.map(({ name, kind }) => [name, kind]).sort(), [['isos', 'iso'], ['local', 'data']]);
    await type('$C -T memtest86+x64.iso $B/storage-domains/isos/files/memtest.iso');
    await type(`$C -X POST $B/vms -H 'content-type: application/json' -d '{"name":"first","vcpus":1,"memoryBytes":536870912,"disks":[{"sizeBytes":2147483648}],"cdrom":"memtest.iso","nics":[{"network":"default"}]}'`);
    const started = await type('$C -i -X POST $B/vms/first/start');
    assert.match(started, /^HTTP\/1\.1 202 /);
    const [, task = ''] = /^location: \/api\/v1\/tasks\/(\S+)$/im.exec(started) ?? [];
    await done(task);
    assert.equal(pick(await read<Vm>('$C $B/vms/first'), ['name', 'state']), { name: 'first', state: 'up' });

    await service.until('memtest shows its blue page', async () => {
      await sleep(1_000);
      await type('$C -o screen.png $B/vms/first/screenshot');
      const screen = readScreen(await readFile(host.path('screen.png')));
      return isWrittenOn(screen) && screen.colours[0]?.[0] === memtestBlue;
    }, 240_000);

    await type('$C -X POST $B/vms/first/power-off; $C -X DELETE $B/vms/first');
    await service.until('the VM and its disk are gone', async () => {
      const [vms, disks] = [await read<Page<Vm>>('$C $B/vms'), await read<Page<unknown>>('$C $B/disks')];
      return vms.items.length + disks.items.length === 0;
    });

    await type(`$C -X POST $B/disks -H 'content-type: application/json' -d '{"name":"root","sizeBytes":1073741824,"format":"cow","allocation":"sparse"}'`);
    await host.must(['bash', '-ec', 'head -c 3000000 /dev/urandom >disk.raw; truncate -s 256M disk.raw; qemu-img convert -f raw -O qcow2 disk.raw disk.qcow2'], { cwd: host.scratch });
    const upload = await read<{ id: string; sha256: string }>(`$C -T disk.qcow2 -H 'x-image-format: qcow2' $B/disks/root/content`);
    assert.is(upload.sha256, (await type('sha256sum disk.qcow2')).split(' ')[0]);
    await done(upload.id);
    await type('$C -o back.qcow2 $B/disks/root/content; qemu-img convert -f qcow2 -O raw back.qcow2 back.raw; truncate -s 1G disk.raw; cmp disk.raw back.raw');

    const openApi = await read<{ openapi: string; paths: Record<string, unknown> }>('$C $B/openapi.json');
    assert.match(openApi.openapi, /^3\.1/);
    for (const path of ['/vms/{vm}/start', '/disks/{disk}/content', '/storage-domains']) assert.ok(Object.keys(openApi.paths).some((known) => known.endsWith(path)), path);
    await type('curl -sf http://127.0.0.1:8080/healthz');
    assert.match(await type('$C http://127.0.0.1:8080/metrics'), /^bothy_\w+(\{.*\})? \d/m);
    real('libvirt', 'qemu', 'qemu-img');
  } catch (error) {
    console.log(service.logs());
    throw error;
  } finally {
    await host.close();
  }
});

function pick<T, K extends keyof T>(from: T, keys: K[]): Pick<T, K> {
  return Object.fromEntries(keys.map((key) => [key, from[key]])) as Pick<T, K>; // exactly those keys
}

test.run();
