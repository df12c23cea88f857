/** libvirt's numbers as words. The order in each list is that of the C enumeration named beside it (libvirt-domain.h). */
import type { DomainState, HypervisorEvent } from '../appliance/world.ts';

type Lifecycle = Extract<HypervisorEvent, { type: 'lifecycle' }>['event'];
type IoErrorAction = Extract<HypervisorEvent, { type: 'io-error' }>['action'];

/** virDomainState; QEMU's driver never reports 0, "no state". */
const states: readonly DomainState[] = ['blocked', 'running', 'blocked', 'paused', 'shutting-down', 'shut-off', 'crashed', 'suspended-by-guest'];

/** virDomainRunningReason and so on. */
const reasons: Record<DomainState, readonly string[]> = {
  running: ['unknown', 'booted', 'migrated', 'restored', 'from-snapshot', 'unpaused', 'migration-canceled', 'save-canceled', 'wakeup', 'crashed',
    'postcopy', 'postcopy-failed'],
  blocked: ['unknown'],
  paused: ['unknown', 'user', 'migration', 'save', 'dump', 'io-error', 'watchdog', 'from-snapshot', 'shutting-down', 'snapshot', 'crashed',
    'starting-up', 'postcopy', 'postcopy-failed'],
  'shutting-down': ['unknown', 'user'],
  'shut-off': ['unknown', 'shutdown', 'destroyed', 'crashed', 'migrated', 'saved', 'failed', 'from-snapshot', 'daemon'],
  crashed: ['unknown', 'panicked'],
  'suspended-by-guest': ['unknown'],
};

/** virDomainEventType. */
const lifecycles: readonly Lifecycle[] = ['defined', 'undefined', 'started', 'suspended', 'resumed', 'stopped', 'shutdown', 'pm-suspended', 'crashed'];

/** virDomainEventDefinedDetailType and so on. */
const details: Record<Lifecycle, readonly string[]> = {
  defined: ['added', 'updated', 'renamed', 'from-snapshot'],
  undefined: ['removed', 'renamed'],
  started: ['booted', 'migrated', 'restored', 'from-snapshot', 'wakeup'],
  suspended: ['paused', 'migrated', 'io-error', 'watchdog', 'restored', 'from-snapshot', 'api-error', 'postcopy', 'postcopy-failed'],
  resumed: ['unpaused', 'migrated', 'from-snapshot', 'postcopy', 'postcopy-failed'],
  stopped: ['shutdown', 'destroyed', 'crashed', 'migrated', 'saved', 'failed', 'from-snapshot'],
  shutdown: ['finished', 'guest', 'host'],
  'pm-suspended': ['memory', 'disk'],
  crashed: ['panicked', 'crashloaded'],
};

/** virDomainEventIOErrorAction. */
const ioErrorActions: readonly IoErrorAction[] = ['none', 'pause', 'report'];

/** virDomainEventWatchdogAction. */
const watchdogActions = ['none', 'pause', 'reset', 'poweroff', 'shutdown', 'debug', 'inject-nmi'];

export const nameState = (state: number): DomainState => states[state] ?? 'blocked';

export const nameReason = (state: number, reason: number): string => reasons[nameState(state)][reason] ?? 'unknown';

export function nameLifecycle(change: number, detail: number): { event: Lifecycle; detail: string } | undefined {
  const event = lifecycles[change];
  return event && { event, detail: details[event][detail] ?? 'unknown' };
}

export const nameIoErrorAction = (action: number): IoErrorAction => ioErrorActions[action] ?? 'none';

export const nameWatchdogAction = (action: number): string => watchdogActions[action] ?? 'unknown';

/** virDomainDiskErrorCode: 1 is unspecified, 2 is no space. */
export const nameDiskError = (error: number): 'no-space' | 'unspecified' => (error === 2 ? 'no-space' : 'unspecified');

/** virConnectDomainEventBlockJobStatus. */
const blockJobStatuses = ['completed', 'failed', 'cancelled', 'ready'] as const;

export const nameBlockJobStatus = (status: number): (typeof blockJobStatuses)[number] => blockJobStatuses[status] ?? 'failed';

/** libvirt's version number: major * 1,000,000 + minor * 1,000 + release. */
export function nameVersion(version: number): string {
  return [Math.floor(version / 1_000_000), Math.floor(version / 1_000) % 1_000, version % 1_000].join('.');
}
