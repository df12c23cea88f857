/**
 * The hardware of a box: a PC with UEFI, made of QEMU's parts, whose plug, cables, disks and sticks a test can pull.
 *
 * What the guest has flushed is in the files of its disks, and only that for certain: QEMU honours flushes and keeps the rest
 * in memory of its own as well as the page cache, so that pulling the plug (SIGKILL) is as hard on the guest as a disk with a
 * write cache. The guest reaches nothing of this machine; a test reaches its port 443. Called by box.ts.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startProcess, type RackProcess } from '../process.ts';
import type { Emulator } from './emulator.ts';
import { type Monitor, openMonitor } from './qmp.ts';

export interface Hardware {
  cpus: number;
  memoryMiB: number;
  /** Files in qcow2 format; the first is what it boots from. */
  disks: readonly string[];
  /** Network cards; the first leads to `port` of this machine's loopback. */
  nics: number;
  port: number;
  /** Raw files of USB sticks that are plugged in from the start. */
  sticks: readonly string[];
  /** A graphics card; its screen can be looked at. */
  screen: boolean;
  watchdog: boolean;
  /** Added to the kernel's command line by the firmware's tables, without a change of the image. */
  kernelOptions: readonly string[];
  /** Further strings of the firmware's table of vendor strings. */
  vendorStrings: readonly string[];
  /** Files that the guest finds under these names in QEMU's fw_cfg. */
  firmwareFiles: Record<string, string>;
  /** Ports of 10.0.2.100 that lead to ports of this machine's loopback: the servers that the guest may reach. */
  servers: Record<number, number>;
}

/** Memory at fixed places of the file, as fast as the disk is. */
const quickFile = { capabilities: ['mapped-ram', 'multifd'].map((capability) => ({ capability, state: true })) };

export class Machine {
  readonly monitor: Monitor;
  readonly process: RackProcess;
  #sticks = 0;

  private constructor(process: RackProcess, monitor: Monitor) {
    this.process = process;
    this.monitor = monitor;
  }

  /**
   * Switches it on; with `saved`, it goes on from where another of the same hardware was saved. `folder` keeps the sockets,
   * the firmware's memory and what the serial port says.
   */
  static async start(emulator: Emulator, hardware: Hardware, folder: string, saved?: string): Promise<Machine> {
    const incoming = saved ? ['-incoming', 'defer'] : [];
    const argv = [...emulator.command, ...base(emulator, folder), ...parts(hardware), ...firmwareTables(hardware), ...incoming];
    // It ends with this process, however that ends.
    const process = startProcess(['setpriv', '--pdeathsig', 'KILL', '--', ...argv], { env: { PATH: '/usr/bin:/bin', ...emulator.env } });
    const failed = process.ended.then(() => Promise.reject(new Error(`QEMU ended at once:\n${process.output()}`)));
    const monitor = await Promise.race([openMonitor(join(folder, 'qmp.sock')), failed]);
    failed.catch(() => {});
    const machine = new Machine(process, monitor);
    if (saved) await machine.#restore(saved);
    return machine;
  }

  /** Writes memory and devices to a file and ends. The disks then belong to that file: only overlays on them may be written. */
  async save(path: string): Promise<void> {
    await this.monitor.command('stop');
    await this.monitor.command('migrate-set-capabilities', quickFile);
    await this.monitor.command('migrate', { uri: `file:${path}` });
    await this.#migrated('completed');
    await this.pullPlug();
  }

  async #restore(path: string): Promise<void> {
    await this.monitor.command('migrate-set-capabilities', quickFile);
    await this.monitor.command('migrate-incoming', { uri: `file:${path}` });
    await this.#migrated('completed');
    await this.monitor.command('cont');
  }

  async #migrated(wanted: string): Promise<void> {
    for (const end = Date.now() + 120_000; Date.now() < end; await sleep(100)) {
      const { status, 'error-desc': problem } = await this.monitor.command<{ status?: string; 'error-desc'?: string }>('query-migrate');
      if (status === wanted) return;
      if (status === 'failed') throw new Error(`the machine was not moved to or from its file: ${problem}`);
    }
    throw new Error('the machine did not reach its file in time');
  }

  /** As a fuse that blows. */
  async pullPlug(): Promise<void> {
    await this.process.end();
    this.monitor.close();
  }

  /** Seconds that this machine's processors worked for it since it was switched on: how far it has come, whatever else runs here. */
  workedSeconds(): number {
    const text = readFileSync(`/proc/${this.process.pid}/stat`, 'utf8');
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) / 100; // user and system time, in the kernel's ticks
  }

  /** Whether the guest's agent has opened its channel. Asks QEMU, not the guest. */
  async hasAgent(): Promise<boolean> {
    const channels = await this.monitor.command<{ label: string; 'frontend-open': boolean }[]>('query-chardev');
    return channels.some((channel) => channel.label === 'agent' && channel['frontend-open']);
  }

  /** What the guest has sent to the disk that it boots from, since it was switched on. */
  async writtenBytes(): Promise<number> {
    const disks = await this.monitor.command<{ qdev?: string; stats: { wr_bytes: number } }[]>('query-blockstats');
    return disks.find(({ qdev }) => qdev?.includes('disk0'))?.stats.wr_bytes ?? 0;
  }

  /** The link of a network card, counted from 0. */
  async setCable(nic: number, isConnected: boolean): Promise<void> {
    await this.monitor.command('set_link', { name: `nic${nic}`, up: isConnected });
  }

  /** A disk beyond the first, counted from 1, is gone when this resolves, whatever the guest thinks of it. */
  async takeDisk(disk: number): Promise<void> {
    await this.#unplug(`disk${disk}`);
  }

  /** Gives the stick a name to pull it by. */
  async plugStick(path: string): Promise<string> {
    const id = `later${++this.#sticks}`;
    await this.monitor.command('blockdev-add', { 'node-name': `${id}-file`, driver: 'file', filename: path });
    await this.monitor.command('blockdev-add', { 'node-name': `${id}-data`, driver: 'raw', file: `${id}-file` });
    await this.monitor.command('device_add', { id, driver: 'usb-storage', drive: `${id}-data`, removable: true });
    return id;
  }

  /** One that was there from the start is `stick0` and so on. */
  async pullStick(id: string): Promise<void> {
    await this.#unplug(id);
  }

  /** Keys that are pressed together, by QEMU's names: `ret`, `down`, `ctrl`, `a`. */
  async press(...keys: string[]): Promise<void> {
    await this.monitor.command('send-key', { keys: keys.map((data) => ({ type: 'qcode', data })) });
  }

  async screenshot(path: string): Promise<void> {
    await this.monitor.command('screendump', { filename: path, format: 'png' });
  }

  async #unplug(id: string): Promise<void> {
    const isGone = ({ name, data }: { name: string; data: Record<string, unknown> }) => name === 'DEVICE_DELETED' && data['device'] === id;
    await this.monitor.command('device_del', { id });
    await this.monitor.until(isGone, 60_000);
  }
}

function base({ firmware }: Emulator, folder: string): string[] {
  const socket = (name: string) => `socket,id=${name},path=${join(folder, `${name}.sock`)},server=on,wait=off`;
  return [
    '-machine', 'q35,sata=off,smbus=off,hpet=off,vmport=off', '-accel', 'tcg,thread=multi,tb-size=256', '-cpu', 'max',
    '-nodefaults', '-no-user-config', '-display', 'none', '-rtc', 'base=utc',
    '-drive', `if=pflash,format=raw,unit=0,readonly=on,file=${firmware.code}`,
    '-drive', `if=pflash,format=raw,unit=1,file=${join(folder, 'variables.fd')}`,
    '-chardev', `file,id=serial,path=${join(folder, 'serial.log')},append=on`, '-serial', 'chardev:serial',
    '-device', 'virtio-serial-pci', '-chardev', socket('agent'), '-device', 'virtserialport,chardev=agent,name=org.qemu.guest_agent.0',
    '-qmp', `unix:${join(folder, 'qmp.sock')},server=on,wait=off`, '-device', 'virtio-rng-pci', '-device', 'qemu-xhci,id=usb',
  ];
}

function parts(hardware: Hardware): string[] {
  const { cpus, memoryMiB, disks, nics, port, sticks, servers } = hardware;
  const ways = [`hostfwd=tcp:127.0.0.1:${port}-:443`, ...Object.entries(servers).map(([inside, outside]) => `guestfwd=tcp:10.0.2.100:${inside}-tcp:127.0.0.1:${outside}`)];
  return [
    '-smp', String(cpus), '-m', String(memoryMiB), '-vga', hardware.screen ? 'std' : 'none',
    ...(hardware.watchdog ? ['-device', 'i6300esb', '-action', 'watchdog=reset'] : []),
    ...disks.flatMap(disk),
    ...Array.from({ length: nics }, (_, nic) => [
      '-netdev', `user,id=net${nic},restrict=on${nic === 0 ? `,${ways.join(',')}` : ''}`,
      '-device', `virtio-net-pci,id=nic${nic},netdev=net${nic},romfile=,mac=52:54:00:b0:00:0${nic}`,
    ]).flat(),
    ...sticks.flatMap((path, index) => [
      '-blockdev', `driver=raw,node-name=stick${index}-data,file.driver=file,file.filename=${path}`,
      '-device', `usb-storage,id=stick${index},drive=stick${index}-data,removable=on`,
    ]),
  ];
}

/** Behind a port of its own each, for only such a one can be pulled. */
function disk(path: string, index: number): string[] {
  return [
    '-blockdev', `driver=qcow2,node-name=disk${index}-data,discard=unmap,file.driver=file,file.filename=${path},file.discard=unmap`,
    '-device', `pcie-root-port,id=slot${index},chassis=${index + 1}`,
    '-device', `virtio-blk-pci,id=disk${index},bus=slot${index},drive=disk${index}-data,serial=disk${index}${index === 0 ? ',bootindex=1' : ''}`,
  ];
}

function firmwareTables({ kernelOptions, vendorStrings, firmwareFiles }: Hardware): string[] {
  const strings = [...(kernelOptions.length > 0 ? [`io.systemd.stub.kernel-cmdline-extra=${kernelOptions.join(' ')}`] : []), ...vendorStrings];
  return [
    ...strings.flatMap((text) => ['-smbios', `type=11,value=${text.replaceAll(',', ',,')}`]),
    ...Object.entries(firmwareFiles).flatMap(([name, path]) => ['-fw_cfg', `name=${name},file=${path}`]),
  ];
}
