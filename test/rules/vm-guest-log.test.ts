/** How a guest ended, read from libvirt's log of it, as libvirt 9.0 writes it. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { createGuestLog, parseLastEnding, parseLastWords } from '../../appliance/vm/observe/guest-log.ts';

const start = `2026-11-23 04:15:41.002+0000: starting up libvirt version: 9.0.0, package: 9.0.0-4+deb12u2 (Debian), qemu version: 7.2.22\nLC_ALL=C \\\n/usr/bin/qemu-system-x86_64 \\\n-name guest=first\n`;
const end = (reason: string) => `2026-11-23T04:16:33.532632Z qemu-system-x86_64: terminating on signal 15 from pid 21 (libvirtd)\n2026-11-23 04:16:33.646+0000: shutting down, reason=${reason}\n`;
const at = Date.UTC(2026, 10, 23, 4, 16, 33, 646);

test('the reason and the time of the last end', () => {
  assert.equal(parseLastEnding(start + end('shutdown')), { detail: 'shutdown', at });
  assert.equal(parseLastEnding(start + end('destroyed')), { detail: 'destroyed', at });
  assert.equal(parseLastEnding(start + end('crashed')), { detail: 'failed', at }, 'the event of a QEMU that died says failed');
});

test('a domain that was started since has not ended; reasons that say nothing are passed over', () => {
  assert.is(parseLastEnding(start + end('crashed') + start), undefined);
  assert.is(parseLastEnding(start + end('unknown')), undefined);
  assert.is(parseLastEnding(''), undefined);
});

test('only the end of a long log is read, and a missing log is no error', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'bothy-log-'));
  try {
    writeFileSync(join(folder, 'a b.log'), `${start.repeat(1000)}${end('shutdown')}`);
    const log = createGuestLog(folder);
    assert.equal(await log.lastEnding('a b'), { detail: 'shutdown', at });
    assert.is(await log.lastEnding('none'), undefined);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('the last complaint of QEMU since the last start', () => {
  assert.is(parseLastWords(start + end('destroyed')), 'qemu-system-x86_64: terminating on signal 15 from pid 21 (libvirtd)');
  assert.is(parseLastWords(`${start}qemu-system-x86_64: -drive file=x: Could not open 'x'\nchar device redirected to /dev/pts/1\n`), `qemu-system-x86_64: -drive file=x: Could not open 'x'`);
  assert.is(parseLastWords(start + end('crashed') + start), '', 'a complaint of an earlier life is not of this one');
  assert.is(parseLastWords(''), '');
});

test.run();
