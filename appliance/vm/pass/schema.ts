/** What goes in and out of the verbs that give devices of the host to machines. */
import * as z from 'zod';
import { refSchema } from '../../core/id.ts';
import { parseRule, plainRule } from './rules.ts';

const DeviceRule = z.string().trim().max(160).overwrite(plainRule)
  .refine((text) => parseRule(text) !== undefined, 'Write usb:0951:1666 (vendor and product), with :SERIAL behind it for one of several, or usb-port:1-1.2 for a place.')
  .meta({ label: 'Device', help: 'What it is: `usb:0951:1666`, or `usb:0951:1666:SERIAL` for that very one. Or where it is plugged in: `usb-port:1-1.2`.' });

export const NewHostDevice = z.strictObject({ device: DeviceRule });

/** More than one controller has ports for. */
export const mostHostDevices = 12;

export const hostDevicesField = z.array(NewHostDevice).max(mostHostDevices).default([])
  .refine((devices) => new Set(devices.map(({ device }) => device)).size === devices.length, 'Name each device once.')
  .meta({ label: 'Devices of the host', help: 'It gets them while it runs, as soon as they are plugged in. Needs the permission to give devices of the host away.' });

export const HostDevicesRef = z.object({ vm: refSchema.meta({ label: 'VM' }) });
export const PassDeviceInput = HostDevicesRef.extend(NewHostDevice.shape);
export const WithdrawDeviceInput = HostDevicesRef.extend({ device: z.uuid() });

export const passStates = ['off', 'in-use', 'moving', 'waiting', 'taken', 'failed'] as const;

export const PassedDevice = z.object({
  id: z.uuid(),
  vm: z.object({ id: z.uuid(), name: z.string() }),
  /** The rule. */
  device: z.string(),
  /** What is meant by it now, in words for people; empty where nothing is plugged in. */
  name: z.string(),
  /** Its place among the devices of the host; null where nothing is plugged in. */
  place: z.string().nullable(),
  state: z.enum(passStates),
  /** The machine that has what this one waits for; null where there is none, or who asks may not see it. */
  takenBy: z.object({ id: z.string(), name: z.string() }).nullable(),
  /** Why it has not got it, and what to do; empty where all is well. */
  message: z.string(),
  nextStep: z.string(),
});
export const PassedDeviceList = z.object({ items: z.array(PassedDevice), next: z.null() });
export type Passed = z.output<typeof PassedDevice>;
