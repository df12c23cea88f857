/** What the system has kept of a boot that is over: the real part over a program in place of journalctl, which answers in its form. */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createPastBoots } from '../../appliance/host/past-boots.ts';

interface Context {
  root: string;
  /** Lines of shell: what the program does with the question in $*. */
  journal(...lines: string[]): void;
  traces(): ReturnType<ReturnType<typeof createPastBoots>['traces']>;
}

const test = suite<Context>('past boots, real');
const bootId = '0f3d2c1b-0000-4000-8000-00000000000a';
const entry = (message: string, second: number) => JSON.stringify({ __CURSOR: 's=1', __REALTIME_TIMESTAMP: String(second * 1_000_000), MESSAGE: message });
const failed = 'test failed rem 49 now 410 ping 361 close 400 renewal 340 expire 400 client 812 bothy';

test.before.each((context) => {
  context.root = mkdtempSync(join(tmpdir(), 'bothy-boots-'));
  mkdirSync(join(context.root, 'proc'));
  writeFileSync(join(context.root, 'proc/uptime'), '100.00 50.00\n');
  const program = join(context.root, 'journalctl');
  context.journal = (...lines) => {
    writeFileSync(program, ['#!/bin/sh', 'case "$*" in *--boot=0f3d2c1b0000400080000000000000000a*) exit 9;; *--boot=0f3d2c1b00004000800000000000000a*) ;; *) exit 8;; esac', ...lines, ''].join('\n'));
    chmodSync(program, 0o755);
  };
  context.traces = () => createPastBoots({ root: context.root, journalctl: program }).traces(bootId);
});
test.after.each(({ root }) => rmSync(root, { recursive: true }));

test('a reset by the watchdog: what wdmd wrote, and the last word of anybody', async ({ journal, traces }) => {
  journal(`case "$*" in *identifier=wdmd*) cat <<'E'\n${entry('/dev/watchdog0 open with timeout 60', 3)}\n${entry(failed, 400)}\n${entry(failed, 401)}\nE\n;; *MESSAGE_ID*) ;; *) echo '${entry('last', 440)}';; esac`);
  assert.equal(await traces(), { wasShutDown: false, missed: { client: 'bothy', at: 400_000 }, lastAt: 440_000 });
});

test('a shutdown in order', async ({ journal, traces }) => {
  journal(`case "$*" in *identifier=wdmd*) ;; *MESSAGE_ID=98268866d1d54a499c4e98921d93bc40*) echo '${entry('The system will reboot now!', 430)}';; *) echo '${entry('last', 440)}';; esac`);
  assert.equal(await traces(), { wasShutDown: true, lastAt: 440_000 });
});

test('a boot that the journal has forgotten, or a machine without a journal', async ({ journal, traces }) => {
  journal('echo "Data from the specified boot is not available" >&2', 'exit 1');
  assert.equal(await traces(), { wasShutDown: false });
});

test('a panic of the kernel that was saved since this boot began; not one of last year', async ({ root, journal, traces }) => {
  journal('exit 0');
  const folder = join(root, 'var/lib/systemd/pstore/1234/001');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'dmesg.txt'), '<0>[ 12.3] Kernel panic - not syncing: Fatal exception\n');
  assert.is((await traces()).panic, 'Kernel panic - not syncing: Fatal exception');
  utimesSync(join(folder, 'dmesg.txt'), 1, 1);
  assert.is((await traces()).panic, undefined);
});

test.run();
