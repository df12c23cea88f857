/**
 * Who may do what to a VM in which state, what each state means to people, and how what libvirt says becomes a state. Pure.
 *
 *                start                          pause, I/O error, no space
 *        down ----------> powering-up ----> up ----------------------------> paused
 *         ^  ^                              |  <----------------------------   |
 *         |  |          shutdown, power off |        resume, room again        |
 *         |  +---------- powering-down <----+                                  |
 *         +--------------------------------------------------------------------+
 *   up, paused -> powering-down (suspend) -> saved -> powering-up (restore) -> up; saved -> down, its memory discarded. A VM that is saved has no domain.
 *   any running state -> unknown while libvirt cannot be asked; the next look at it decides.
 */
import type { DomainState } from '../world.ts';
import { type DiskBusName, type Hardware, hardwareNames, heldAtOnce, isHotPlug, memoryStep } from './definition/hardware.ts';

export const vmStates = ['down', 'powering-up', 'up', 'paused', 'migrating', 'suspended', 'saved', 'powering-down', 'unknown'] as const;
export type VmState = (typeof vmStates)[number];

/** What this host knows of a VM. `reason` is a word for programs; `explain` says it to people. */
export interface Fact {
  state: VmState;
  reason: string;
  /** Since when it is in this state. */
  since: number;
}

// ------------------------------------------------------------------------------------------------ verbs

const running: VmState[] = ['powering-up', 'up', 'paused', 'migrating', 'suspended', 'powering-down'];

export const vmAllows = {
  start: ['down', 'saved'],
  shutdown: ['up', 'powering-down'],
  'power-off': ['powering-up', 'up', 'paused', 'suspended', 'powering-down'],
  reboot: ['up'],
  reset: ['up', 'paused'],
  suspend: ['up', 'paused'],
  'discard-memory': ['saved'],
  pause: ['up'],
  resume: ['paused'],
  edit: [...vmStates],
  delete: ['down', 'saved'],
  'attach-disk': ['down', 'up', 'paused'],
  'detach-disk': ['down', 'up'],
  'add-nic': ['down', 'up', 'paused'],
  'remove-nic': ['down', 'up'],
  'change-cdrom': ['down', 'up', 'paused'],
  console: running,
  screenshot: ['up', 'paused', 'powering-down'],
  trim: ['up'],
  'send-keys': ['up', 'suspended', 'powering-down'],
  snapshot: ['down', 'up', 'paused'],
  'delete-snapshot': ['down', 'up', 'paused'],
  'preview-snapshot': ['down'],
  // Suspended as at the snapshot that is previewed, not by somebody.
  'commit-snapshot': ['down', 'saved'],
  'undo-snapshot': ['down', 'saved'],
  'make-template': ['down'],
  clone: ['down'],
  export: ['down'],
} as const satisfies Record<string, readonly VmState[]>;

export type VmVerb = keyof typeof vmAllows;

/** What decides whether a verb is allowed now. */
export interface Standing {
  state: VmState;
  reason: string;
  isDeleting: boolean;
}

export function vmCan(verb: VmVerb, { state, reason, isDeleting }: Standing): boolean {
  if (isDeleting) return false;
  // A VM that is being powered off can be deleted at once: the deletion waits for its turn.
  if (verb === 'delete' && state === 'powering-down' && reason === 'power-off') return true;
  const states: readonly VmState[] = vmAllows[verb];
  return states.includes(state);
}

/** Who shuts down first with the host: the last tier, and in it the one that was started last, because others may need those that were there before. */
export function shutdownOrder<V extends { name: string; startup: { tier: number }; fact: { startedAt: number | null } }>(vms: V[]): V[] {
  return [...vms].sort((left, right) => right.startup.tier - left.startup.tier || (right.fact.startedAt ?? 0) - (left.fact.startedAt ?? 0) || left.name.localeCompare(right.name));
}

const stateWords: Record<VmState, string> = {
  down: 'is down', 'powering-up': 'is starting', up: 'is running', paused: 'is paused', migrating: 'is migrating',
  suspended: 'is asleep', saved: 'is suspended', 'powering-down': 'is shutting down', unknown: 'cannot be seen: libvirt does not answer',
};

const verbWords: Record<VmVerb, string> = {
  start: 'start it', shutdown: 'shut it down', 'power-off': 'power it off', reboot: 'reboot it', reset: 'reset it', suspend: 'suspend it', 'discard-memory': 'discard its memory', pause: 'pause it', resume: 'resume it', edit: 'change it',
  delete: 'delete it', 'attach-disk': 'attach a disk', 'detach-disk': 'detach a disk', 'add-nic': 'add a network interface',
  'remove-nic': 'remove a network interface', 'change-cdrom': 'change the CD-ROM', console: 'open its console', screenshot: 'see its screen', 'send-keys': 'press its keys', trim: 'trim its file systems',
  snapshot: 'take a snapshot', 'delete-snapshot': 'delete a snapshot', 'preview-snapshot': 'preview a snapshot', 'commit-snapshot': 'go on from a snapshot',
  'undo-snapshot': 'undo a preview', 'make-template': 'make a template of it', clone: 'make a VM of it', export: 'export it',
};

/** What to tell someone whose verb is not allowed now, with what would make it so. */
export function refusal(verb: VmVerb, name: string, standing: Standing): string {
  if (standing.isDeleting) return `${name} is being deleted. Its task says how that stands.`;
  const states: readonly VmState[] = vmAllows[verb];
  const needed = states.map((state) => stateWords[state]).join(' or ');
  return `${name} ${stateWords[standing.state]}. To ${verbWords[verb]}, wait until it ${needed}.${wayOut(verb, standing.state)}`;
}

function wayOut(verb: VmVerb, state: VmState): string {
  const states: readonly VmState[] = vmAllows[verb];
  const needsDown = states.includes('down') && states.every((allowed) => allowed === 'down' || allowed === 'saved');
  if (verb === 'clone' && (state === 'up' || state === 'paused')) return ' Or take a snapshot and make a VM of that.';
  if (state === 'saved') return needsDown ? ' Discard its memory first, or start it and shut it down.' : ' Start it first.';
  if (needsDown && verb !== 'start' && (state === 'up' || state === 'paused')) return ' Shut it down or power it off first.';
  if (verb === 'shutdown' && state === 'paused') return ' Resume it first, or power it off.';
  return '';
}

// ------------------------------------------------------------------------------------------------ facts

/** What libvirt shows of a VM's domain; `null` when there is none, with why it ended as far as known. */
export interface Seen {
  domain: { state: DomainState; reason: string } | null;
  /** libvirt's detail of the `stopped` event; or `lost`, `host-restarted` when nobody was told. */
  ending?: string;
}

/** A guest that has not shut down so long after it was asked is shown as running again. */
export const shutdownPatienceMs = 180_000;

/** What the VM's fact becomes when `seen` is seen at `now`. Returns the same object when nothing changes. */
export function nextFact(before: Fact, seen: Seen, now: number): Fact {
  const [state, reason] = seen.domain ? ofDomain(before, seen.domain, now) : ofNone(before, seen.ending ?? 'lost');
  if (state === before.state && reason === before.reason) return before;
  return { state, reason, since: state === before.state ? before.since : now };
}

type Judgement = [state: VmState, reason: string];

function ofDomain(before: Fact, { state, reason }: { state: DomainState; reason: string }, now: number): Judgement {
  const unchanged: Judgement = [before.state, before.reason];
  switch (state) {
    case 'running':
    case 'blocked':
      if (before.state === 'powering-down' && isTaskMatter(before.reason)) return unchanged;
      // Asked to reboot, a guest shuts down and libvirt lets it run again: then only the guest itself was shutting down.
      if (before.state === 'powering-down' && isAsked(before.reason)) return now - before.since < shutdownPatienceMs ? unchanged : ['up', `${before.reason}-ignored`];
      // libvirt says so until it is paused or ends; what has happened to it since is newer.
      if (reason === 'crashed' && (before.state !== 'up' || before.reason === 'running')) return afterCrash(before);
      return before.state === 'up' ? unchanged : ['up', 'running'];
    case 'paused':
      return ofPaused(before, reason);
    case 'shutting-down':
      // What is told of an end after the task has seen it is no new shutdown.
      return before.state === 'powering-down' || before.state === 'down' ? unchanged : ['powering-down', 'guest'];
    case 'suspended-by-guest':
      return ['suspended', 'guest'];
    case 'shut-off':
      return ofNone(before, reason);
    case 'crashed':
      return afterCrash(before);
  }
}

/** It is started anew at once (`on_crash`). One that QEMU does not bring back has ended, and that is told. */
function afterCrash(before: Fact): Judgement {
  if (before.state === 'powering-up' || (before.state === 'powering-down' && isTaskMatter(before.reason))) return [before.state, before.reason];
  return ['up', 'crash-restarted'];
}

/** To shut down: by a person, or by its watchdog. */
const isAsked = (reason: string) => reason === 'shutdown' || reason === 'watchdog';

/** Whoever powers it off or suspends it decides itself what has become of it. */
const isTaskMatter = (reason: string) => reason === 'power-off' || reason === 'suspend' || reason === 'discard-memory';

/** libvirt's reasons for a pause, where ours has another name or it is no pause to people. One that comes back from a file stands still as it did before. */
const pauseReasons: Record<string, string> = { user: 'user', migration: 'user', restored: 'user', unknown: 'user', paused: 'user', 'io-error': 'io-error', ioerror: 'io-error', watchdog: 'watchdog', crashed: 'crashed' };

function ofPaused(before: Fact, reason: string): Judgement {
  if (before.state === 'powering-up') return [before.state, before.reason];
  if (reason === 'starting-up') return ['powering-up', 'start'];
  if (reason === 'shutting-down') return ['powering-down', before.state === 'powering-down' ? before.reason : 'guest'];
  if (before.state === 'powering-down' && isTaskMatter(before.reason)) return [before.state, before.reason];
  const ours = pauseReasons[reason] ?? 'other';
  return ['paused', ours === 'io-error' && before.state === 'paused' && before.reason === 'no-space' ? 'no-space' : ours];
}

/** libvirt's details of a stop, and ours. */
const endings: Record<string, string> = { shutdown: 'shutdown', destroyed: 'destroyed', crashed: 'crashed', failed: 'failed', 'host-restarted': 'host-restarted' };

function ofNone(before: Fact, ending: string): Judgement {
  // A start that is under way decides itself whether it has failed.
  if (before.state === 'down' || before.state === 'saved' || before.state === 'powering-up') return [before.state, before.reason];
  if (before.state === 'powering-down' && before.reason !== 'power-off' && isTaskMatter(before.reason)) return [before.state, before.reason];
  if (before.reason === 'power-off') return ['down', 'power-off'];
  // QEMU ends at once when it is to power off, which libvirt takes for a failure.
  if (before.state === 'powering-down' && before.reason === 'watchdog' && ending !== 'destroyed') return ['down', 'watchdog'];
  const known = endings[ending] ?? 'lost';
  if (known === 'lost' && (before.state === 'powering-down' || before.reason === 'shutdown')) return ['down', 'shutdown'];
  return ['down', known];
}

/** Down because someone wanted it so; a start that failed is none of them: the power may have been cut in it. */
const quietEndings = new Set(['new', 'shutdown', 'power-off', 'destroyed', 'memory-discarded', 'watchdog']);

/** What becomes of a VM whose watchdog has fired and done `action`; the same object where nothing does, or where libvirt tells it itself (`pause`). */
export function afterWatchdog(before: Fact, action: string, now: number): Fact {
  if (before.state !== 'up' || action === 'pause') return before;
  if (action === 'poweroff' || action === 'shutdown') return { state: 'powering-down', reason: 'watchdog', since: now };
  return { ...before, reason: action === 'reset' || action === 'inject-nmi' ? `watchdog-${action}` : 'watchdog-fired' };
}

/** Whether a VM that starts with the host is started now: the host started after it stopped, or it did not stop by anyone's will. */
export function needsAutostart({ state, reason, since }: Fact, hostStartedAt: number): boolean {
  if (state === 'saved') return since < hostStartedAt;
  return state === 'down' && (!quietEndings.has(reason) || since < hostStartedAt);
}

// ------------------------------------------------------------------------------------------------ pending

/** Such as a limit on what is lent; libvirt knows nothing of it. */
const waits = hardwareNames.filter((name) => !heldAtOnce.includes(name));

type RestartConfig = { name: string; vcpus: number; memoryBytes: number; firmware: string; bootOrder: readonly string[]; hardware: Hardware };

const restartFields = ['name', 'vcpus', 'memoryBytes', 'firmware', 'bootOrder'] as const;
const isSame = (one: unknown, other: unknown) => JSON.stringify(one) === JSON.stringify(other);

/** Settings that differ between the wish and what runs: they hold from the next start on. */
export function pendingChanges(wished: RestartConfig, runs: (RestartConfig & { cpuDefault?: Hardware['cpu'] }) | null, cpuDefault: Hardware['cpu'] = 'auto'): string[] {
  if (!runs) return [];
  // A VM that leaves its processor to what all VMs get waits for that, too.
  const isOther = (name: keyof Hardware) => !isSame(wished.hardware[name], runs.hardware[name]) || (name === 'cpu' && wished.hardware.cpu === 'auto' && cpuDefault !== (runs.cpuDefault ?? 'auto'));
  return [...restartFields.filter((field) => !isSame(wished[field], runs[field])), ...waits.filter(isOther)];
}

export interface Growth {
  /** How many processors it is to have; absent if they stay. */
  vcpus?: number;
  /** Memory to be added; absent if none is. */
  addBytes?: number;
}

type Sized = Pick<RestartConfig, 'vcpus' | 'memoryBytes'>;

/** What of a new size a running guest gets at once: as far as it was started with room for it. What is taken away waits. */
export function growthOf(wished: Sized, runs: Sized & { hardware: Pick<Hardware, 'maxVcpus' | 'maxMemoryBytes'> }): Growth {
  const { maxVcpus, maxMemoryBytes } = runs.hardware;
  const addBytes = wished.memoryBytes - runs.memoryBytes;
  return {
    ...(wished.vcpus > runs.vcpus && wished.vcpus <= (maxVcpus ?? 0) && { vcpus: wished.vcpus }),
    ...(addBytes > 0 && addBytes % memoryStep === 0 && wished.memoryBytes <= (maxMemoryBytes ?? 0) && { addBytes }),
  };
}

/** Something of the VM as a whole that its guest, which runs, gets without a new start. */
export function hasChangesAtOnce(wished: Sized & { hardware: Pick<Hardware, 'floppy'> }, runs: Sized & { hardware: Hardware }): boolean {
  const isOtherFloppy = runs.hardware.floppyDrive && wished.hardware.floppy !== runs.hardware.floppy;
  return isOtherFloppy || Object.keys(growthOf(wished, runs)).length > 0;
}

/** A disk that comes or goes only with the next start: on a bus that neither takes nor lets go disks while the guest runs. */
export function pendingMove({ isPlugged, leaving, bus }: { isPlugged: boolean; leaving: 'detach' | 'delete' | null; bus: DiskBusName }, runs: { hasScsi: boolean } | null): string[] {
  if (!runs) return [];
  if (leaving) return [leaving];
  return isPlugged || isHotPlug(bus, runs.hasScsi) ? [] : ['attach'];
}

interface Plug {
  mac: string;
  source: { kind: string; name: string };
}

/** Its cable is plugged into another network than is wished. */
export const isElsewhere = (runs: Pick<Plug, 'source'>, wished: Plug['source']): boolean => !isSame([runs.source.kind, runs.source.name], [wished.kind, wished.name]);

/** The address of a network interface waits; its network changes at once, and is named here when that failed. */
export function pendingPlug(wished: Plug, runs: Plug | undefined): string[] {
  return runs ? [...(isElsewhere(runs, wished.source) ? ['network'] : []), ...(runs.mac === wished.mac ? [] : ['mac'])] : [];
}

/** The same of a disk or a network interface; `null` for one that the guest does not have. */
export function pendingSettings<K extends string>(names: readonly K[], wished: Record<K, unknown>, runs: Record<K, unknown> | null | undefined): string[] {
  return runs ? names.filter((name) => !isSame(wished[name], runs[name])) : [];
}
