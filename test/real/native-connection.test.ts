/** The connection to a real libvirtd: absent at the start, killed under load, restarted; and what is left after closing. */
import { readdirSync, readlinkSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Hypervisor } from '../../appliance/world.ts';
import { connect, guestXml, openNativeHost, refusal, signalQemu, timed, uuidOf, waitForEvent } from './native-host.ts';
import { real } from './count.ts';
import { openRackHost } from './rack-host.ts';

/** Sockets, pipes and event descriptors that this process holds. */
const openDescriptors = (): number =>
  readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return /^(socket|pipe|anon_inode):/.test(readlinkSync(`/proc/self/fd/${fd}`));
    } catch {
      return false; // the descriptor of this very listing
    }
  }).length;

/** Calls enough to make every thread of the query and guest lanes connect again. */
async function useEveryThread(libvirt: Hypervisor): Promise<void> {
  await Promise.all(Array.from({ length: 400 }, () => libvirt.domains()));
  await Promise.all(Array.from({ length: 400 }, (_, i) => refusal(libvirt.diskErrors(uuidOf(1000 + i)))));
}

test('says that libvirtd is absent, and connects when it comes', async () => {
  const { host, libvirt, events, close } = await openNativeHost({ daemons: ['virtlogd'] });
  try {
    const { result: error, ms } = await timed(refusal(libvirt.domains()));
    assert.is(error.kind, 'disconnected');
    assert.match(error.message, /^libvirtd does not answer at qemu.*libvirt-sock: .*No such file or directory$/);
    assert.ok(ms < 1000, `it took ${ms} ms to say so`);
    assert.is((await refusal(libvirt.create(guestXml(1)))).kind, 'disconnected');
    assert.equal(libvirt.connection(), { state: 'disconnected', message: error.message });
    await sleep(1000);
    assert.is(events.length, 1, 'further attempts with the same outcome are no news');
    await host.start('libvirtd');
    await waitForEvent(events, 'connection', (event) => event.state === 'connected');
    assert.equal(await libvirt.domains(), []);
    real('libvirt');
  } finally {
    await close();
  }
});

test('survives kill -9 of libvirtd with calls under way, again and again, with its guest and its events', async () => {
  const { host, libvirt, events, close } = await openNativeHost();
  try {
    await libvirt.create(guestXml(1));
    await libvirt.create(guestXml(2));
    await signalQemu(host, 'guest-2', 'STOP');
    let descriptors = 0;
    for (let round = 1; round <= 3; round++) {
      events.length = 0;
      const underWay = refusal(libvirt.suspend(uuidOf(2)));
      await sleep(200);
      await host.kill('libvirtd');
      assert.is((await underWay).kind, 'disconnected');
      await waitForEvent(events, 'connection', (event) => /^The connection to libvirtd .* was lost: /.test(event.message));
      await waitForEvent(events, 'connection', (event) => /^libvirtd does not answer .*Connection refused$/.test(event.message));
      const { result, ms } = await timed(refusal(libvirt.domains()));
      assert.is(result.kind, 'disconnected');
      assert.ok(ms < 100, `a call without connection took ${ms} ms`);
      if (round === 1) await signalQemu(host, 'guest-2', 'CONT'); // libvirtd asks every QEMU when it starts
      await host.start('libvirtd');
      await waitForEvent(events, 'connection', (event) => event.state === 'connected');
      assert.equal((await libvirt.domains()).map((domain) => domain.uuid).sort(), [uuidOf(1), uuidOf(2)]);
      await libvirt.suspend(uuidOf(1));
      await libvirt.resume(uuidOf(1));
      await waitForEvent(events, 'lifecycle', (event) => event.uuid === uuidOf(1) && event.event === 'resumed');
      await useEveryThread(libvirt);
      if (round === 1) descriptors = openDescriptors();
      else assert.is(openDescriptors(), descriptors, 'a lost connection is given back');
      await signalQemu(host, 'guest-2', 'CONT');
      if (round < 3) await signalQemu(host, 'guest-2', 'STOP');
    }
    const changes = events.flatMap((event) => (event.type === 'lifecycle' && event.uuid === uuidOf(1) ? [event.event] : []));
    assert.equal(changes, ['suspended', 'resumed'], 'after three reconnects each event still comes once');
    real('libvirt', 'qemu');
  } finally {
    await close();
  }
});

test('closing rejects what is open, and leaves no descriptor and no thread', async () => {
  const host = await openRackHost();
  try {
    const threads = () => readdirSync('/proc/self/task').length;
    const once = async () => {
      const libvirt = connect(host);
      const events: string[] = [];
      libvirt.onEvent((event) => events.push(event.type));
      await libvirt.domains();
      const open = refusal(libvirt.domains());
      await libvirt.close();
      assert.is((await open).kind, 'disconnected');
      assert.is((await refusal(libvirt.domains())).kind, 'disconnected');
      assert.is(libvirt.connection().state, 'disconnected');
    };
    const settle = async (read: () => number, until: number) => {
      for (let tries = 0; read() > until && tries < 100; tries++) await sleep(20);
      return read();
    };
    await once(); // the event loop's thread stays
    await sleep(500);
    const before = { descriptors: openDescriptors(), threads: threads() };
    for (let round = 0; round < 20; round++) await once();
    assert.is(await settle(openDescriptors, before.descriptors), before.descriptors);
    assert.is(await settle(threads, before.threads), before.threads);
    real('libvirt');
  } finally {
    await host.close();
  }
});

test.run();
