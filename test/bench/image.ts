/**
 * The host image beside a bare Debian with the same kernel, on the same emulated machine, one after the other, turn by turn: how long, and how
 * much of the processor, from the plug to the API, and to the login prompt. And the size of what is sent to a site.
 *
 * Goals: less than 700 MB compressed; the API within twice the time of the bare boot. Without KVM both are software emulation, which
 * weighs compiling JavaScript far more than a processor does.
 *
 * usage: sudo node build/test/bench/image.js [ROUNDS]      BOTHY_LAB_IMAGE, BOTHY_IMAGE_WORK, BOTHY_TEST_CACHE as for the lab (test/lab/README.md)
 */
import { readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { checkout } from '../real/rack-host.ts';
import { build, cached } from '../real/guest/cache.ts';
import { type Box, openBox } from '../lab/box.ts';
import { type LabImage, labImage } from '../lab/image.ts';

const rounds = Number(process.argv[2] ?? 1);
const hardware = { isUntouched: true, cpus: 2, memoryMiB: 2048 };
const ticksPerSecond = 100;

interface Boot {
  wall: number;
  cpu: number;
}

/** Made anew when the image is another: it has its kernel from the same packages. */
async function bareDisk({ disk }: LabImage): Promise<string> {
  const folder = await cached({ name: 'bare', suffix: '', ingredients: [disk, statSync(disk).mtimeMs] }, async (path) => {
    const work = process.env.BOTHY_IMAGE_WORK;
    await build([join(checkout, 'image/build.sh'), '--bare', '--out', path, ...(work ? ['--work', work] : [])], 1_800_000);
  });
  return join(folder, 'bare.qcow2');
}

async function measure(image: LabImage, untilUp: (box: Box) => Promise<unknown>): Promise<Boot> {
  const box = await openBox({ ...hardware, image });
  try {
    const startedAt = performance.now();
    await box.switchOn();
    await untilUp(box);
    return { wall: (performance.now() - startedAt) / 1000, cpu: cpuSeconds(box.machine.process.pid) };
  } finally {
    await box.close();
  }
}

/** Of the emulator: user and system time of all its threads. */
function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
}

function tell(what: string, { wall, cpu }: Boot): void {
  console.log(`${what}: ${wall.toFixed(0)} s, processor ${cpu.toFixed(0)} s`);
}

const image = await labImage();
for (const file of [image.disk, join(dirname(image.disk), `bothy_${image.version}.bundle`)]) {
  console.log(`${file.split('/').at(-1)}: ${(statSync(file).size / 1e6).toFixed(0)} MB compressed (goal: under 700)`);
}
const bare = { ...image, disk: await bareDisk(image) };
for (let round = 0; round < rounds; round += 1) {
  const plain = await measure(bare, (box) => box.serialSays(/ login: /));
  tell('bare Debian, from the plug to the login prompt', plain);
  const own = await measure(image, (box) => box.answers(3_000_000));
  tell('the image, from the plug to the API', own);
  console.log(`  ratio ${(own.wall / plain.wall).toFixed(1)}, of the processor ${(own.cpu / plain.cpu).toFixed(1)} (goal: 2)`);
}
