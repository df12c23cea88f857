/** The real World: libvirt through the native shim, qemu-img, the kernel. Everything else of the process ends here. */
import { join } from 'node:path';
import type { Config } from './config.ts';
import { systemClock } from './core/clock.ts';
import { createDownloads } from './core/download.ts';
import { createOutgoing } from './core/outgoing.ts';
import { createMachine } from './host/machine.ts';
import { createMachineSettings } from './host/machine-settings.ts';
import { createPastBoots } from './host/past-boots.ts';
import { createPower } from './host/power.ts';
import { createWatchdogDevice, keptDescriptorIn } from './host/watchdog-device.ts';
import { connectLibvirt } from '../native/libvirt.ts';
import { openWatchdogDaemon } from '../native/watchdog.ts';
import { createPortFiles } from './network/port-files.ts';
import { nativeLibraryPath } from './paths.ts';
import { createSiteSources } from './provision/sources.ts';
import { createDiskSpace } from './storage/disk-space.ts';
import { createQemuImg } from './storage/qemu-img.ts';
import { stagingFolder } from './update/record.ts';
import { createSlots } from './update/slots.ts';
import { createSeedTool } from './vm/cloud-init/seed-disk.ts';
import { createGuestLog } from './vm/observe/guest-log.ts';
import { createVirtSysprep } from './vm/template/virt-sysprep.ts';
import type { World } from './world.ts';

export function realWorld(config: Config): World {
  return {
    hypervisor: connectLibvirt({ uri: config.libvirtUri, library: nativeLibraryPath, clock: systemClock }),
    guestLog: createGuestLog(),
    imageTool: createQemuImg(),
    seeds: createSeedTool(),
    generaliser: createVirtSysprep({ cachePath: join(config.statePath, 'cache') }),
    disk: createDiskSpace(),
    machine: createMachine(),
    hostSettings: createMachineSettings({ isManaged: config.managesHost }),
    siteSources: createSiteSources({ isManaged: config.managesHost }),
    hostNetwork: createPortFiles({ isManaged: config.managesHost }),
    power: createPower(),
    watchdog: createWatchdogDevice({ daemon: openWatchdogDaemon({ library: nativeLibraryPath, clock: systemClock }), keptDescriptor: keptDescriptorIn(process.env, process.pid) }),
    pastBoots: createPastBoots(),
    slots: createSlots({ stagingPath: stagingFolder(config.statePath) }),
    downloads: createDownloads({ clock: systemClock }),
    outgoing: createOutgoing(),
    clock: systemClock,
  };
}
