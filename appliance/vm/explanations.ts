/**
 * What each state of a VM means: cause, effect and next step in whole sentences, for the VM page and for events. Pure.
 *
 * `explain` speaks of a state that lasts; `eventOf` tells of a change.
 */
import type { Fact, VmState } from './rules.ts';
import type { Waiting } from './power/startup-rules.ts';

export interface Explanation {
  cause: string;
  effect: string;
  nextStep: string;
}

export interface EventText {
  severity: 'info' | 'warning' | 'error';
  code: string;
  message: string;
  nextStep: string;
}

const reasons = 'Look at its serial console and at the logs inside for the reason.';
const look = 'Look at its events and its serial console, then start it again.';

const explanations: Record<string, Explanation> = {
  'down/start-failed': { cause: 'It could not be started.', effect: 'It is down.', nextStep: 'Its last task says why. Correct that, then start it again.' },
  'down/crashed': { cause: 'The system inside the guest crashed.', effect: 'It is down; what it had not yet written is lost.', nextStep: look },
  'down/failed': { cause: 'Its QEMU process ended unexpectedly.', effect: 'It is down; what it had not yet written is lost.', nextStep: look },
  'down/lost': { cause: 'It ended while the appliance could not watch it.', effect: 'It is down; what it had not yet written is lost.', nextStep: look },
  'down/host-restarted': { cause: 'The host restarted or lost power.', effect: 'It is down; what it had not yet written is lost.', nextStep: 'Start it again. With "Start with the host" it starts by itself.' },
  'down/destroyed': { cause: 'A tool other than Bothy switched it off.', effect: 'It is down.', nextStep: 'Start it again when it is needed.' },
  'paused/user': { cause: 'Someone paused it.', effect: 'The guest stands still and keeps its memory.', nextStep: 'Resume it when it is needed.' },
  'paused/no-space': { cause: 'A disk could not grow: the storage domain is full.', effect: 'The guest stands still; nothing is lost.', nextStep: 'Make room: delete disks or ISO images that nobody needs. It resumes by itself when there is room.' },
  'paused/io-error': { cause: 'One of its disks could not be read or written.', effect: 'The guest stands still; nothing is lost.', nextStep: 'Check the storage domain and the drive below it, then resume the VM.' },
  'paused/watchdog': { cause: 'Its watchdog device fired: the system inside no longer answered it.', effect: 'The guest stands still.', nextStep: 'Look at its console. Resume it, or power it off and start it again.' },
  'paused/crashed': { cause: 'The system inside the guest crashed.', effect: 'The guest stands still.', nextStep: 'Look at its console, then power it off and start it again.' },
  'up/watchdog-reset': { cause: 'Its watchdog device fired: the system inside no longer answered it.', effect: 'It was reset and starts anew; what it had not yet written is lost.', nextStep: reasons },
  'up/watchdog-inject-nmi': { cause: 'Its watchdog device fired: the system inside no longer answered it.', effect: 'It got an interrupt (NMI), and does with that what it was set up for.', nextStep: 'Look at its console. If it stands still, reset it.' },
  'up/watchdog-fired': { cause: 'Its watchdog device fired: the system inside no longer answered it.', effect: 'Nothing else happens, as its settings say.', nextStep: 'Look at its console. If it stands still, reset it.' },
  'up/watchdog-ignored': { cause: 'Its watchdog device fired, and it was asked to shut down and has not.', effect: 'It is still running.', nextStep: 'Look at its console. If it stands still, reset it or power it off.' },
  'powering-down/watchdog': { cause: 'Its watchdog device fired: the system inside no longer answered it.', effect: 'It is made to end, as its settings say.', nextStep: 'If it does not react, power it off: then what it has not yet written is lost.' },
  'down/watchdog': { cause: 'Its watchdog device fired: the system inside no longer answered it.', effect: 'It was made to end, as its settings say.', nextStep: look },
  'up/crash-restarted': { cause: 'The system inside the guest crashed.', effect: 'It was reset and starts anew; what it had not yet written is lost.', nextStep: reasons },
  'paused/other': { cause: 'A tool other than Bothy, or libvirt itself, paused it.', effect: 'The guest stands still and keeps its memory.', nextStep: 'Resume it when that work is done.' },
  'up/shutdown-ignored': { cause: 'It was asked to shut down and has not.', effect: 'It is still running.', nextStep: 'Shut it down from inside, or power it off: then what it has not yet written is lost.' },
  'powering-down/shutdown': { cause: 'It was asked to shut down.', effect: 'It ends when the system inside has finished.', nextStep: 'If it does not react, power it off: then what it has not yet written is lost.' },
  'suspended/guest': { cause: 'The system inside has gone to sleep.', effect: 'It keeps its memory and runs nothing.', nextStep: 'Wake it from its console with a key.' },
  'powering-down/suspend': { cause: 'It is being suspended: its memory is written to disk.', effect: 'The guest stands still until then.', nextStep: 'Wait, or cancel the task: then it goes on.' },
  'saved/user': { cause: 'Someone suspended it.', effect: 'The guest does not run; its memory lies on disk.', nextStep: 'Start it: it goes on where it stood.' },
  'saved/restore-failed': { cause: 'Its memory could not be read back.', effect: 'It is still suspended; nothing has changed.', nextStep: 'Its last task says why. If that cannot be corrected, discard its memory: then it starts as after a power cut.' },
  'saved/snapshot': { cause: 'It is as it was at a snapshot, with its memory of then.', effect: 'The guest does not run yet.', nextStep: 'Start it: it goes on where it stood then. Or discard that memory, and it starts from its disks.' },
  'unknown/hypervisor-away': { cause: 'libvirt does not answer.', effect: 'The guest probably runs on; it cannot be seen or changed.', nextStep: 'Wait: the appliance connects again by itself. If it does not, look at the host page.' },
};

/** `null` where the state says all there is to say. */
export function explain({ state, reason }: { state: VmState; reason: string }): Explanation | null {
  return explanations[`${state}/${reason}`] ?? null;
}

const turns: Record<Waiting, string> = {
  tier: 'It starts with the host when the machines of the tiers before it are up and healthy.',
  order: 'It starts with the host when the machines before it in its tier are up and healthy.',
  dependency: 'It starts with the host when the machines that it needs are up and healthy.',
};

/** Of a VM that is going to be started by itself. */
export function explainWaiting(waiting: Waiting | undefined): Explanation | undefined {
  return waiting && { cause: turns[waiting], effect: 'It is down until then, five minutes after them at most.', nextStep: 'Start it yourself if it should not wait.' };
}

const quiet: Record<string, [code: string, words: string]> = {
  'down/shutdown': ['vm.stopped', 'has shut down.'],
  'down/power-off': ['vm.stopped', 'was powered off.'],
  'up/running': ['vm.started', 'is running.'],
  'paused/user': ['vm.paused', 'was paused.'],
  'suspended/guest': ['vm.suspended', 'has gone to sleep.'],
  'saved/user': ['vm.saved', 'was suspended to disk.'],
  'saved/snapshot': ['vm.saved', 'is suspended as it was at a snapshot.'],
  'down/memory-discarded': ['vm.stopped', 'is down; its memory was discarded.'],
};

/** States that somebody should see soon. */
const warnings = new Set(['saved/restore-failed', 'down/destroyed', 'paused/other', 'up/shutdown-ignored', 'paused/watchdog', 'up/watchdog-reset', 'up/watchdog-inject-nmi', 'up/watchdog-fired', 'up/watchdog-ignored', 'up/crash-restarted']);

/** What to tell everyone of a change; `undefined` where there is nothing to tell. */
export function eventOf(name: string, before: Fact, after: Fact): EventText | undefined {
  const key = `${after.state}/${after.reason}`;
  if (before.state === after.state && before.reason === after.reason) return undefined;
  // What it came through was told before it went out of sight.
  if (after.state === 'up' && before.state === 'unknown') return undefined;
  if (key === 'up/running' && before.state === 'paused') return { severity: 'info', code: 'vm.resumed', message: `${name} runs again.`, nextStep: '' };
  if (key === 'up/running' && before.state === 'down') return { severity: 'warning', code: 'vm.adopted', message: `${name} was found running. A tool other than Bothy has started it.`, nextStep: '' };
  const plain = quiet[key];
  if (plain) return { severity: 'info', code: plain[0], message: `${name} ${plain[1]}`, nextStep: '' };
  return after.state === 'unknown' || after.state === 'powering-down' ? undefined : troubleOf(name, after);
}

/** The event of a state that has an explanation; also when the same happens again. */
export function troubleOf(name: string, { state, reason }: Pick<Fact, 'state' | 'reason'>): EventText | undefined {
  const key = `${state}/${reason}`;
  const explanation = explanations[key];
  if (!explanation) return undefined;
  const severity = warnings.has(key) ? 'warning' : 'error';
  return { severity, code: `vm.${state}-${reason}`, message: `${name}: ${explanation.cause} ${explanation.effect}`, nextStep: explanation.nextStep };
}
