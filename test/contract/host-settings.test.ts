/** Name, time and SSH keys of the machine: the same cases on the simulated part and on the real one over a folder in place of `/`. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createMachineSettings } from '../../appliance/host/machine-settings.ts';
import type { HostSettingsPort } from '../../appliance/world.ts';
import { createVirtualClock } from '../world/clock.ts';
import { createSimulatedHost } from '../world/world.ts';

const key = `ssh-ed25519 ${'A'.repeat(68)} maria@office`;

interface Part {
  port: HostSettingsPort;
  end(): void;
}

function defineCases(name: string, open: (isManaged: boolean) => Part): void {
  const test = suite(`host settings, ${name}`);

  test('what is applied is read back; what is not named stays', async () => {
    const { port, end } = open(true);
    await port.apply({ hostname: 'shop-9', timeZone: 'Europe/Berlin' });
    await port.apply({ ntpServers: ['ntp1.example.org', '10.0.0.1'], sshKeys: [key] });
    assert.equal(await port.read(), { hostname: 'shop-9', timeZone: 'Europe/Berlin', ntpServers: ['ntp1.example.org', '10.0.0.1'], sshKeys: [key] });
    await port.apply({ ntpServers: [], sshKeys: [] });
    assert.equal(await port.read(), { hostname: 'shop-9', timeZone: 'Europe/Berlin', ntpServers: [], sshKeys: [] });
    end();
  });

  test('a machine that is not ours is read and never changed', async () => {
    const { port, end } = open(false);
    const before = await port.read();
    const refused = await port.apply({ hostname: 'shop-9', sshKeys: [key] }).then(() => undefined, (error: Error) => error.message);
    assert.match(refused ?? '', /not ours/);
    assert.equal(await port.read(), before);
    end();
  });

  test.run();
}

defineCases('simulated', (isManaged) => {
  const { settings } = createSimulatedHost({ clock: createVirtualClock(), statePath: '/none' });
  settings.manage(isManaged);
  return { port: settings, end: () => {} };
});

interface FakeRoot extends Part {
  root: string;
  calls: string[];
}

/** The files are real; the three tools that speak to systemd are played. */
function openFakeRoot(isManaged: boolean, isSshOn = false): FakeRoot {
  const root = mkdtempSync(join(tmpdir(), 'bothy-root-'));
  mkdirSync(join(root, 'etc'));
  writeFileSync(join(root, 'etc/hostname'), 'bare\n');
  const calls: string[] = [];
  const tool = async (argv: readonly string[]) => {
    calls.push(argv.join(' '));
    if (argv[0] === 'hostnamectl') writeFileSync(join(root, 'etc/hostname'), `${argv.at(-1)}\n`);
    if (argv[0] === 'timedatectl') {
      rmSync(join(root, 'etc/localtime'), { force: true });
      symlinkSync(`/usr/share/zoneinfo/${argv.at(-1)}`, join(root, 'etc/localtime'));
    }
    if (argv[1] === 'is-enabled' && !isSshOn) throw new Error('disabled');
  };
  return { root, calls, port: createMachineSettings({ isManaged, root, tool }), end: () => rmSync(root, { recursive: true }) };
}

defineCases('real files', openFakeRoot);

const files = suite('host settings, files');

files('SSH goes off with the last key only where we had switched it on', async () => {
  for (const isSshOn of [false, true]) {
    const { port, calls, root, end } = openFakeRoot(true, isSshOn);
    await port.apply({ sshKeys: [key] });
    assert.is(readFileSync(join(root, 'etc/ssh/bothy_authorized_keys'), 'utf8'), `${key}\n`);
    await port.apply({ sshKeys: [] });
    assert.is(calls.includes('systemctl disable --now ssh.service'), !isSshOn);
    assert.not.ok(existsSync(join(root, 'etc/ssh/sshd_config.d/60-bothy.conf')));
    end();
  }
});

files('what is told as set is on the disk', async () => {
  const { port, calls, root, end } = openFakeRoot(true);
  await port.apply({ hostname: 'shop-9', timeZone: 'Europe/Berlin', sshKeys: [key] });
  assert.is(calls.at(-1), `sync --file-system -- ${root}/etc`);
  end();
});

files('keys count as set only when SSH was switched on', async () => {
  const { root, end } = openFakeRoot(true);
  const port = createMachineSettings({ isManaged: true, root, tool: async (argv) => { if (argv[1] === 'enable') throw new Error('no systemd'); } });
  await port.apply({ sshKeys: [key] }).then(() => assert.unreachable(), () => {});
  assert.equal((await port.read()).sshKeys, []);
  end();
});

files.run();
