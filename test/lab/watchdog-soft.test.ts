/**
 * A machine without a watchdog of its own: the kernel's does the same, and the box says that it is software only.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { real } from '../real/count.ts';
import { withBox } from './box.ts';

interface HostState {
  watchdog: { state: string; kind: string; model: string };
  lastEnd: { end: string } | null;
}

test('a service that stands still resets a box without a watchdog of its own', async () => {
  // The chip set of every such machine has one (iTCO), too.
  await withBox({ watchdog: false, kernelOptions: ['modprobe.blacklist=iTCO_wdt'] }, async (box) => {
    const host = async () => (await box.api<HostState>('GET', '/hosts/this').catch(() => undefined))?.body;
    const resets = () => box.machine.monitor.events.filter(({ name }) => name === 'RESET').length;
    await box.switchOn();
    await box.answers();
    await box.setUp();
    const watchdog = await box.until('the machine is watched', async () => {
      const seen = (await host())?.watchdog;
      return seen?.state === 'armed' && seen;
    });
    assert.equal([watchdog.kind, watchdog.model], ['software', 'Software Watchdog']);
    const count = resets();
    await box.inside('kill -STOP $(systemctl show --property MainPID --value bothyd.service)');
    await box.until('the box resets itself', async () => resets() > count, 400_000);
    await box.answers();
    await box.until('the reason is known', async () => (await host())?.lastEnd?.end === 'watchdog');
  });
  real('lab');
});

test.run();
