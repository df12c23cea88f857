/**
 * A VM from a template, thin, from the request until its disk is there, beside `qemu-img create -b` over the very same image, turn by turn in
 * one run. The template's disk has the size and as much data as somebody's system.
 *
 * usage: node build/test/bench/template-clone.js [ROUNDS] [DATA_MIB]
 */
import { execFile } from 'node:child_process';
import { createCipheriv } from 'node:crypto';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { figuresOf, print, time } from './figures.ts';
import { benchInside, type Service, startService } from './inside.ts';

const rounds = Number(process.argv[2] ?? 20);
const dataMiB = Number(process.argv[3] ?? 512);
const diskBytes = 20 * 2 ** 30;
const tool = promisify(execFile);
const pause = () => new Promise((resolve) => setTimeout(resolve, 2));

async function carryOut(service: Service, path: string, body: unknown): Promise<void> {
  const { id } = await service.api<{ id: string }>('POST', path, body);
  for (;;) {
    const { state, problem } = await service.api<{ state: string; problem: unknown }>('GET', `/tasks/${id}`);
    if (state === 'done') return;
    if (state === 'failed' || state === 'cancelled') throw new Error(`${path} ended ${state}: ${JSON.stringify(problem)}`);
    await pause();
  }
}

async function readyDisk(service: Service, vm: string): Promise<void> {
  while ((await service.api<{ disks: { state: string }[] }>('GET', `/vms/${vm}`)).disks.some(({ state }) => state !== 'ok')) await pause();
}

/** A template whose only image holds noise. Returns the path of that. */
async function makeTemplate(service: Service): Promise<string> {
  await service.api('POST', '/vms', { name: 'origin', memoryBytes: 64 * 2 ** 20, disks: [{ sizeBytes: diskBytes, name: 'origin' }] });
  await readyDisk(service, 'origin');
  const images = (disk: string) => join(service.statePath, 'storage', readdirSync(join(service.statePath, 'storage')).find((id) => readdirSync(join(service.statePath, 'storage', id, 'images')).includes(disk)) ?? '', 'images', disk);
  const volume = (disk: string) => join(images(disk), readdirSync(images(disk)).find((name) => !name.includes('.')) ?? '');
  const { id } = await service.api<{ id: string }>('GET', '/disks/origin');
  const noise = join(service.statePath, 'noise');
  writeFileSync(noise, createCipheriv('aes-128-ctr', Buffer.alloc(16), Buffer.alloc(16)).update(Buffer.alloc(2 ** 20)));
  for (let at = 0; at < dataMiB; at += 64) await tool('qemu-io', ['-f', 'qcow2', '-c', `write -s ${noise} ${at}M 64M`, volume(id)]);
  await carryOut(service, '/templates', { vm: 'origin', name: 'base' });
  const { disks: [image] } = await service.api<{ disks: { id: string }[] }>('GET', '/templates/base');
  return volume(image?.id ?? '');
}

await benchInside(fileURLToPath(import.meta.url), async () => {
  const service = await startService();
  try {
    const image = await makeTemplate(service);
    const [ours, plain]: [number[], number[]] = [[], []];
    for (let round = 0; round < rounds; round += 1) {
      ours.push(await time(async () => {
        await service.api('POST', '/templates/base/vms', { name: `thin-${round}` });
        await readyDisk(service, `thin-${round}`);
      }));
      plain.push(await time(() => tool('qemu-img', ['create', '-q', '-f', 'qcow2', '-b', image, '-F', 'qcow2', join(service.statePath, `plain-${round}`)])));
    }
    print('POST until the disk of the VM is there', ours);
    print('qemu-img create -b', plain);
    console.log(`difference of the medians ${(figuresOf(ours).p50 - figuresOf(plain).p50).toFixed(0)} ms`);
    const clone = await time(async () => {
      await service.api('POST', '/templates/base/vms', { name: 'clone', mode: 'clone' });
      await readyDisk(service, 'clone');
    });
    console.log(`a clone of ${dataMiB} MiB of data: ${(clone / 1000).toFixed(1)} s`);
  } finally {
    await service.stop();
  }
});
process.exit(0);
