/** A running guest on real libvirt and QEMU gets processors and memory, and gets back what its balloon has taken. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { real } from './count.ts';
import { answerTo, boot, closeHardwareHost, type Context, details, make, MiB, openHardwareHost } from './hardware-guests.ts';

const test = suite<Context>('size');
test.before(openHardwareHost);
test.after(closeHardwareHost);

const readSize = 'for each in /sys/devices/system/cpu/cpu*/online /sys/devices/system/memory/memory*/state; do grep -q 1 $each || echo online >$each 2>/dev/null || echo 1 >$each; done; echo cpus-$(grep -c ^processor /proc/cpuinfo); grep MemTotal /proc/meminfo';
async function sizeInside(context: Context): Promise<{ vcpus: number; memoryBytes: number }> {
  const text = await answerTo(context, 'growing', readSize);
  return { vcpus: Number(/cpus-(\d+)/.exec(text)?.[1]), memoryBytes: Number(/MemTotal:\s+(\d+) kB/.exec(text)?.[1]) * 1024 };
}

async function resize({ service }: Context, size: { vcpus?: number; memoryBytes?: number }): Promise<void> {
  await service.must('PATCH', '/vms/growing', size);
  await service.until('nothing waits for the next start', async () => (await details(service, 'growing')).pending.length === 0, 60_000);
}

test('processors and memory grow in the running guest', async (context) => {
  await make(context.service, 'growing', { vcpus: 1, maxVcpus: 3, memoryBytes: 256 * MiB, maxMemoryBytes: 1024 * MiB });
  await boot(context.service, 'growing');
  const first = await sizeInside(context);
  assert.is(first.vcpus, 1);
  await resize(context, { vcpus: 3, memoryBytes: 384 * MiB });
  const grown = await sizeInside(context);
  assert.is(grown.vcpus, 3);
  assert.ok(grown.memoryBytes - first.memoryBytes > 120 * MiB, `${first.memoryBytes} to ${grown.memoryBytes}`);
  real('libvirt', 'qemu');
});

test('what the balloon has taken comes back when the host has room', async (context) => {
  const { host, service } = context;
  const actual = async () => Number(/^actual (\d+)/m.exec(await host.must(['virsh', 'dommemstat', 'growing']))?.[1]) / 1024;
  assert.is(await actual(), 384);
  await host.must(['virsh', 'setmem', 'growing', '256M', '--live']);
  await service.until('the guest gives memory', async () => (await actual()) <= 300, 60_000);
  await service.until('the guest has it again', async () => (await actual()) === 384, 90_000);
  real('libvirt', 'qemu');
});

test.run();
