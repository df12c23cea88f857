/**
 * The service stands still, as a process that waits for ever does: the box resets itself and comes back with its VMs and the reason. What
 * people plan, and a crash that systemd mends, reset nothing.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { real } from '../real/count.ts';
import { type Box, openReadyBox } from './box.ts';

interface HostState {
  watchdog: { state: string; kind: string; model: string; reason: string; resetAfterSeconds: number | null };
  lastEnd: { end: string; at: number; message: string; isNews: boolean } | null;
}

let box: Box;

const host = () => box.must<HostState>('GET', '/hosts/this');
const bootId = async () => (await box.inside('cat /proc/sys/kernel/random/boot_id')).trim();
const mainPid = async () => (await box.inside('systemctl show --property MainPID --value bothyd.service')).trim();
const isArmed = async () => {
  const answer = await box.api<HostState>('GET', '/hosts/this').catch(() => undefined);
  return answer?.status === 200 && answer.body.watchdog.state === 'armed';
};
const armed = () => box.until('the machine is watched', isArmed);
const resets = () => box.machine.monitor.events.filter(({ name }) => name === 'RESET').length;

test.before(async () => {
  box = await openReadyBox();
  await box.setUp();
  await box.must('POST', '/vms', { name: 'till', vcpus: 1, memoryBytes: 64 << 20, disks: [], nics: [], autostart: true });
  await box.carryOut('POST', '/vms/till/start');
});

test('the machine is watched by its own device', async () => {
  await armed();
  const { watchdog } = await host();
  assert.equal([watchdog.kind, watchdog.model, watchdog.resetAfterSeconds], ['hardware', 'i6300ESB timer', 120]);
  assert.match(await box.inside('wdmd -d'), /name bothy .* dead 0 ref 1 .* expire [1-9]/);
  real('lab');
});

test('a service that stands still resets the box, which comes back with its VMs and says why', async () => {
  const [before, count] = [await bootId(), resets()];
  await box.inside(`kill -STOP ${await mainPid()}`);
  await box.until('the box resets itself', async () => resets() > count, 400_000);
  await box.answers();
  await box.vmIs('till', 'up');
  assert.is.not(await bootId(), before);
  await box.until('the reason is known', async () => (await host()).lastEnd !== null);
  const { lastEnd } = await host();
  assert.equal([lastEnd?.end, lastEnd?.message], ['watchdog', 'The machine restarted itself, because the service did not answer.']);
  const { items } = await box.must<{ items: { code: string }[] }>('GET', '/events');
  assert.ok(items.some(({ code }) => code === 'host.watchdog-reset'));
  real('lab');
});

test('a restart of the service that is asked for, and a crash that systemd mends, reset nothing', async () => {
  await armed();
  const count = resets();
  await box.inside('echo BOTHY_WATCHDOG_SECONDS=900 >>/etc/default/bothy; systemctl restart bothyd.service');
  assert.not.match(await box.inside('wdmd -d'), /name bothy .* expire [1-9]/, 'the promise was taken back');
  await box.answers();
  await armed();
  await box.inside(`kill -KILL ${await mainPid()}`);
  assert.match(await box.inside('wdmd -d'), /name bothy .* dead 0 ref 1 .* expire [1-9]/, 'systemd keeps the connection');
  const promised = await promisedUntil();
  await box.until('the next life of the service renews the promise', async () => (await promisedUntil()) > promised);
  assert.is(resets(), count);
  real('lab');
});

const promisedUntil = async () => Number(/name bothy .* expire (\d+)/.exec(await box.inside('wdmd -d'))?.[1] ?? 0);

test.after(async () => {
  await box.close();
});

test.run();
