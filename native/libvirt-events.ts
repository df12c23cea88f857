/** The shim's event lines (libvirt-event.c, session.c, outlet.c) as the World's events. */
import type { HypervisorEvent } from '../appliance/world.ts';
import type { RawEvent } from './channel.ts';
import { nameBlockJobStatus, nameIoErrorAction, nameLifecycle, nameWatchdogAction } from './libvirt-names.ts';

/** `undefined` for a kind that a newer libvirt has and we do not know. */
export function toEvent(raw: RawEvent): HypervisorEvent | undefined {
  const uuid = text(raw.uuid);
  switch (raw.event) {
    case 'lifecycle': {
      const names = nameLifecycle(Number(raw.change), Number(raw.detail));
      return names && { type: 'lifecycle', uuid, name: text(raw.name), ...names };
    }
    case 'io-error':
      return { type: 'io-error', uuid, path: text(raw.path), alias: text(raw.alias), action: nameIoErrorAction(Number(raw.action)), reason: text(raw.reason) };
    case 'agent':
      return { type: 'agent', uuid, state: raw.state === 1 ? 'connected' : 'disconnected' };
    case 'device-removed':
      return { type: 'device-removed', uuid, alias: text(raw.alias) };
    case 'tray':
      return { type: 'tray', uuid, alias: text(raw.alias), change: raw.change === 0 ? 'open' : 'close' };
    case 'reboot':
      return { type: 'reboot', uuid };
    case 'watchdog':
      return { type: 'watchdog', uuid, action: nameWatchdogAction(Number(raw.action)) };
    case 'block-threshold':
      return { type: 'block-threshold', uuid, device: text(raw.device), path: text(raw.path), ...sizes(raw) };
    case 'block-job':
      return { type: 'block-job', uuid, target: text(raw.target), status: nameBlockJobStatus(Number(raw.status)) };
    case 'host-device':
      return { type: 'host-device', name: text(raw.name), change: raw.change === 0 ? 'created' : 'deleted' };
    case 'connection':
      return { type: 'connection', state: raw.state === 'connected' ? 'connected' : 'disconnected', message: text(raw.message) };
    case 'resync':
      return { type: 'resync' };
    default:
      return undefined;
  }
}

const text = (value: unknown): string => String(value ?? '');

const sizes = (raw: RawEvent) => ({ thresholdBytes: Number(raw.thresholdBytes), excessBytes: Number(raw.excessBytes) });
