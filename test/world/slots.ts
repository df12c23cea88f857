/**
 * The simulated slots: two partitions, a boot menu and a boot loader, held to the same cases as the real ones by
 * test/contract/slots.test.ts and test/lab/slots.test.ts. They outlive the service; the host's power goes through `boot` when it comes back.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { entryFile, type MenuEntry, parseEntry, renamesToArm, renamesToDisarm, renamesToGiveUp, sortEntries, stateOf } from '../../appliance/update/boot-menu.ts';
import { GiB } from '../../appliance/core/units.ts';
import type { Slots } from '../../appliance/world.ts';

export interface SimulatedSlots extends Slots {
  /** What the slot of a version holds. */
  content(version: string): string | undefined;
  /** Files of the boot menu. */
  menu(): string[];
  /** What the boot loader does next: takes the first entry and counts its try. */
  boot(): void;
  /** What systemd-bless-boot does when the start was good. */
  bless(): void;
  /** Makes the next write stop half-way. */
  failNext(message: string | undefined): void;
  /** As on a plain Debian. */
  setLack(lack: string): void;
}

export interface SlotsOptions {
  statePath: string;
  running?: string;
}

export function createSimulatedSlots({ statePath, running = '1.0' }: SlotsOptions): SimulatedSlots {
  const stagingPath = join(statePath, 'update/staged');
  const partitions: { label: string; content: string }[] = [{ label: `bothy_${running}`, content: '' }, { label: '_empty', content: '' }];
  const files = new Set([entryFile(running)]);
  let [now, lack] = [running, ''];
  let fault: string | undefined;
  const entries = (): MenuEntry[] => [...files].flatMap((file) => parseEntry(file) ?? []);
  const staged = (name: string) => {
    const path = join(stagingPath, name);
    if (!existsSync(path)) throw new Error(`systemd-run failed with exit code 1: No such update: ${name}`);
    return readFileSync(path, 'latin1').slice(0, 32);
  };
  const fail = () => {
    const message = fault;
    fault = undefined;
    if (message) throw new Error(message);
  };
  const rename = (renames: { from: string; to: string }[]) => {
    for (const { from, to } of renames) {
      files.delete(from);
      files.add(to);
    }
  };
  const boot = () => {
    const [first] = sortEntries(entries());
    if (!first) throw new Error('nothing to boot');
    if (first.triesLeft) rename([{ from: first.file, to: entryFile(first.version, first.triesLeft - 1) }]);
    now = first.version;
  };
  return {
    stagingPath, boot,
    menu: () => [...files],
    content: (version) => partitions.find(({ label }) => label === `bothy_${version}`)?.content,
    bless: () => rename(entries().filter(({ version }) => version === now).map(({ file }) => ({ from: file, to: entryFile(now) }))),
    failNext: (message) => { fault = message; },
    setLack: (text) => { lack = text; },
    async facts() {
      const machine = { architecture: 'x86_64' };
      if (lack) return { ...machine, lack, running: '', slotBytes: 0, slots: [] };
      const versions = partitions.flatMap(({ label }) => /^bothy_(.+)$/.exec(label)?.[1] ?? []);
      const slots = versions.map((version) => ({ version, state: stateOf(entries().find((entry) => entry.version === version)), isRunning: version === now }));
      return { ...machine, lack, running: now, slotBytes: GiB, slots };
    },
    async write(version) {
      const content = staged(`bothy_${version}.root.squashfs`);
      if (partitions.some(({ label }) => label === `bothy_${version}`)) return;
      const target = partitions.find(({ label }) => label !== `bothy_${now}`);
      if (!target) throw new Error('no slot');
      target.label = '_empty';
      fail();
      Object.assign(target, { label: `bothy_${version}`, content });
    },
    async arm(version) {
      if (!entries().some((entry) => entry.version === version)) {
        staged(`bothy_${version}.efi`);
        fail();
        // sysupdate keeps two kernels: the one that runs and the new one.
        for (const { file, version: other } of entries()) if (other !== now) files.delete(file);
        files.add(entryFile(version, 3));
      }
      rename(renamesToArm(entries(), version));
    },
    async disarm(version) {
      rename(renamesToDisarm(entries(), version, now));
    },
    async giveUp() {
      rename(renamesToGiveUp(entries(), now));
    },
  };
}
