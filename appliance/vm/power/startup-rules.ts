/**
 * The order in which VMs start with the host. Pure.
 *
 * Tier by tier, within a tier by number, and after those that one names. Who comes later waits until who comes before is *settled*: up and
 * healthy for as long as its pause says, or given up. Nothing waits for ever: a site that comes up in part is better than one that does not.
 */
export const tiers = [1, 2, 3] as const;
export const healthProbePattern = /^(|agent|tcp:(?:([^\s/\\@:[\]]+|\[[0-9a-f:.]+\]):)?(\d{1,5}))$/i;

export interface Startup {
  tier: number;
  startOrder: number;
  startDelaySeconds: number;
  /** Ids. */
  startAfter: string[];
  /** Empty, `agent`, `tcp:PORT` or `tcp:HOST:PORT`. */
  healthProbe: string;
}

export const usualStartup: Startup = { tier: 2, startOrder: 0, startDelaySeconds: 0, startAfter: [], healthProbe: '' };

export interface Probe {
  kind: 'none' | 'agent' | 'tcp';
  /** Empty for the guest's own addresses. */
  host: string;
  port: number;
}

export function readProbe(text: string): Probe {
  if (text === '' || text === 'agent') return { kind: text === '' ? 'none' : 'agent', host: '', port: 0 };
  const [, , host = '', port = '0'] = healthProbePattern.exec(text) ?? [];
  return { kind: 'tcp', host: host.replaceAll(/[[\]]/g, ''), port: Number(port) };
}

/** Why a VM that is to start with the host has not been started yet: a word for programs. */
export type Waiting = 'tier' | 'order' | 'dependency';

export interface Starter extends Startup {
  id: string;
  name: string;
  /** `due`: to be started; `coming`: started, and not yet healthy and rested; `settled`: nobody waits for it any longer. */
  stage: 'due' | 'coming' | 'settled';
}

/** Who is started now, and what the others wait for. Where all wait for each other the first of them goes. */
export function whoStarts(starters: Starter[]): { start: string[]; waiting: Map<string, Waiting> } {
  const due = starters.filter(({ stage }) => stage === 'due');
  const waiting = new Map<string, Waiting>();
  for (const one of due) {
    const reason = reasonToWait(one, starters);
    if (reason) waiting.set(one.id, reason);
  }
  const start = due.filter(({ id }) => !waiting.has(id));
  const isStuck = due.length > 0 && start.length === 0 && !starters.some(({ stage }) => stage === 'coming');
  const [first] = isStuck ? [...due].sort(before) : [];
  if (first) waiting.delete(first.id);
  return { start: (first ? [first] : start.sort(before)).map(({ id }) => id), waiting };
}

function reasonToWait(one: Starter, starters: Starter[]): Waiting | undefined {
  const open = starters.filter(({ id, stage }) => id !== one.id && stage !== 'settled');
  if (open.some(({ id }) => one.startAfter.includes(id))) return 'dependency';
  if (open.some(({ tier }) => tier < one.tier)) return 'tier';
  return open.some(({ tier, startOrder }) => tier === one.tier && startOrder < one.startOrder) ? 'order' : undefined;
}

const before = (left: Starter, right: Starter) => left.tier - right.tier || left.startOrder - right.startOrder || left.name.localeCompare(right.name);

/** The names on a circle that `id` would be part of if it started after `after`; empty without one. */
export function circleOf(id: string, after: string[], afterOf: (id: string) => string[]): string[] {
  const seen = new Set<string>();
  const walk = (at: string, path: string[]): string[] => {
    if (at === id) return path;
    if (seen.has(at)) return [];
    seen.add(at);
    return afterOf(at).map((next) => walk(next, [...path, at])).find((circle) => circle.length > 0) ?? [];
  };
  return after.map((first) => (first === id ? [id] : walk(first, [id]))).find((circle) => circle.length > 0) ?? [];
}
