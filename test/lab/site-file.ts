/**
 * A site file and its stick for the lab: everything that a file can wish, small enough for a box that emulates the emulator.
 *
 * The VMs are boot-sector guests: one from a disk that lies on the stick, one from an ISO that lies there. Called by the tests
 * in test/lab. SeaBIOS shows a guest no disk that is not in its boot order.
 */
import { join } from 'node:path';
import { bootDisk, bootIso } from '../real/guest/boot-guest.ts';
import type { Box } from './box.ts';
import { makeStick, type Stick } from './stick.ts';

export const siteAdmin = { user: 'admin@internal', password: 'correct horse battery' };
/** As `bothy site hash-password` makes it of the password above. */
const passwordHash = 'scrypt$32768$8$1$QnysTynJ/8hMvQ2mgHG8xQ==$kGg90lpBI16S5sGoYCAq6sYsnET0EhyIgh/F029isms=';

export const siteVms = ['till-server', 'cameras'] as const;

export const siteFile = `
bothy: 1
host:
  hostname: shop-7
  timeZone: Europe/Berlin
users:
  - name: admin
    roles: [administrator]
    passwordHash: ${passwordHash}
  - name: keeper
    roles: [operator]
    passwordHash: ${passwordHash}
storageDomains:
  - name: local
    description: The disks of this machine
    lowSpacePercent: 15
networks:
  - name: lab
    kind: nat
    subnet: 192.168.150.0/24
images:
  - name: cameras.iso
    file: cameras.iso
vms:
  - name: till-server
    vcpus: 1
    memoryBytes: 64 MiB
    firmware: bios
    autostart: true
    disks:
      - sizeBytes: 2 MiB
        content:
          file: till.raw
          format: raw
    nics:
      - network: lab
  - name: cameras
    vcpus: 1
    memoryBytes: 64 MiB
    firmware: bios
    autostart: true
    cdrom: cameras.iso
    bootOrder: [cdrom, disk]
    disks:
      - name: recordings
        sizeBytes: 64 MiB
`;

/** The same with a memory size that is none and a word that nobody knows. */
export const badSiteFile = siteFile.replace('memoryBytes: 64 MiB', 'memoryBytes: plenty').replace('hostname:', 'hostnam:');
/** Numbers of its wrong lines. */
export const badLines = badSiteFile.split('\n').flatMap((line, index) => (/hostnam:|plenty/.test(line) ? [index + 1] : []));

/** A write every five seconds, and no large disk to fill: each costs the box's emulated processor thousands of what it costs a real one. */
export const slowly = { periodTicks: 91 };
let sticks = 0;

/** A stick as it comes from the office: the file, and what the guests start from. */
export async function siteStick(folder: string, text: string): Promise<Stick> {
  const stick = await makeStick({ path: join(folder, `site-${++sticks}.img`), label: 'BOTHY', sizeMiB: 128, isPartitioned: true });
  await stick.copy(await bootDisk({ ...slowly, sizeBytes: 2 << 20 }), 'till.raw');
  await stick.copy(await bootIso(slowly), 'cameras.iso');
  await stick.write('bothy-site.yaml', text);
  return stick;
}

interface SiteState {
  current: { state: string; source: string; task: string | null } | null;
  found: { state: string; faults: { line: number; message: string }[] } | null;
}

export const siteState = (box: Box): Promise<SiteState> => box.must<SiteState>('GET', '/site');

/**
 * Waits until the file is applied and its VMs run. Who was let in before a power cut is let in after it. A file that failed is applied
 * again by the box itself: where everything takes twenty times as long, a deadline passes now and then. It is told, and waited for.
 */
export async function untilApplied(box: Box): Promise<void> {
  await box.answers();
  if (!box.token) await box.signIn();
  const failed = new Set<string>();
  await box.until('the site file is applied', async () => {
    const { current } = await siteState(box);
    if (current?.state === 'failed' && current.task && !failed.has(current.task)) {
      console.log(`the site file failed, and is tried again: ${(await box.task(current.task)).problem?.detail}`);
      failed.add(current.task);
    }
    return current?.state === 'applied';
  });
  for (const name of siteVms) await box.vmIs(name, 'up');
}

/** Waits until everything is as the file says, and looks at it from outside and inside. Throws what is missing. */
export async function expectSite(box: Box): Promise<void> {
  await untilApplied(box);
  for (const name of siteVms) await guestWrites(box, name);
  await box.until('all parts of the box work', () => box.works());
  await expectSettings(box);
}

async function expectSettings(box: Box): Promise<void> {
  const said = {
    name: (await box.inside('hostname')).trim(),
    timeZone: (await box.inside('readlink -f /etc/localtime')).trim(),
    network: (await box.inside('virsh -q net-list --name')).split(/\s+/).includes('lab'),
    percent: (await box.must<{ lowSpacePercent: number }>('GET', '/storage-domains/local')).lowSpacePercent,
    converged: (await box.must<{ isConverged: boolean }>('POST', '/site/plan', {})).isConverged,
    users: [(await box.api('POST', '/sessions', siteAdmin)).status, (await box.api('POST', '/sessions', { ...siteAdmin, user: 'keeper@internal' })).status],
  };
  const wanted = { name: 'shop-7', timeZone: '/usr/share/zoneinfo/Europe/Berlin', network: true, percent: 15, converged: true, users: [201, 201] };
  if (JSON.stringify(said) !== JSON.stringify(wanted)) throw new Error(`the box is not as the file says: ${JSON.stringify(said)}`);
}

/** That code in the guest runs, not only that a process was started: it goes on writing to its disk. */
export async function guestWrites(box: Box, name: string): Promise<void> {
  const { id } = await box.vm(name);
  const writes = async () => Number(/wr\.reqs=(\d+)/.exec(await box.inside(`virsh domstats --block ${id}`))?.[1] ?? 0);
  const before = await writes();
  await box.until(`the guest of ${name} writes to its disk`, async () => (await writes()) > before);
}
