/** The verb of the host's devices: look at them. Who gives them to machines does so there (`vm/pass/`). */
import { read } from '../core/operation.ts';
import { HypervisorError } from '../world.ts';
import { DeviceListInput, DeviceListOutput } from './device-schema.ts';
import type { HostDevices } from './devices.ts';

export interface DeviceServices {
  devices: HostDevices;
  requireHere(host: string): Promise<void>;
}

export const hostDeviceList = read<DeviceServices>()({
  id: 'host.devices', method: 'GET', path: '/hosts/{host}/devices', permission: 'host.read', summary: 'List the devices of a host that virtual machines can be given',
  input: DeviceListInput, output: DeviceListOutput,
  async run({ devices, requireHere }, _call, { host }) {
    await requireHere(host);
    const items = await devices.list().catch((error: unknown) => {
      if (error instanceof HypervisorError) return null; // why libvirt does not answer stands on the host itself
      throw error;
    });
    return { items: items ?? [], next: null, isKnown: items !== null };
  },
});
