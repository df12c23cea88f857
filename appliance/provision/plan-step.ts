/** What every section of a plan is made of: its steps, and how what is differs from what a file wishes. Pure. */
import type * as z from 'zod';
import type { DestinationSecrets } from '../activity/destination-rules.ts';
import { formatBytes, parseBytes } from '../core/units.ts';
import type { Current } from './current.ts';
import type { GuestSecrets } from '../vm/vm.ts';
import type { Content, PlanStep, Site } from './schema.ts';

export type Section = 'host' | 'ports' | 'certificate' | 'signIn' | 'history' | 'vmDefaults' | 'destinations' | 'updates' | 'roles' | 'users' | 'groups' | 'quotas' | 'storageDomains' | 'networks' | 'images' | 'disks' | 'vms' | 'pools' | 'access' | 'starts';
export const sections: readonly Section[] = ['host', 'ports', 'certificate', 'signIn', 'history', 'vmDefaults', 'destinations', 'updates', 'roles', 'users', 'groups', 'quotas', 'storageDomains', 'networks', 'images', 'disks', 'vms', 'pools', 'access', 'starts'];

/** How a step is carried out; none for a conflict or a note. */
export type Action =
  | { do: 'perform'; operation: string; input: Record<string, unknown> }
  | { do: 'fetch'; image: Site['images'][number] }
  | { do: 'fill'; disk: NewDisk; content: Content };

export type NewDisk = { name: string; description?: string | undefined; sizeBytes: number; format?: 'raw' | 'cow' | undefined; allocation?: 'sparse' | 'preallocated' | undefined; domain?: string | undefined };

export type Step = z.output<typeof PlanStep> & { section: Section; action?: Action };

export interface Wish {
  site: Site;
  /** The file as it was written: which keys stand in it. */
  document: unknown;
  current: Current;
  /** Users whose password is not the wished one. */
  otherPasswords: ReadonlySet<string>;
  /** Secrets of destinations of events that are not the wished ones, by its name. */
  otherSecrets: ReadonlyMap<string, (keyof DestinationSecrets)[]>;
  /** Passwords and keys that guests are told. */
  guestSecrets: GuestSecrets;
  /** Names of disks that were promised content and did not get it yet. */
  promised: ReadonlySet<string>;
}

/** A section's entries with the keys that stand in the file. */
export function entries<K extends 'destinations' | 'roles' | 'users' | 'groups' | 'quotas' | 'storageDomains' | 'networks' | 'vms' | 'pools'>({ site, document }: Pick<Wish, 'site' | 'document'>, section: K): { wanted: Site[K][number]; given: Record<string, unknown> }[] {
  const written = (document as Record<string, Record<string, unknown>[] | undefined>)[section] ?? []; // checked by the schema
  return (site[section] as Site[K][number][]).map((wanted, index) => ({ wanted, given: written[index] ?? {} }));
}

/** The fields of `given` in which `wanted` is not what is; with words for people. */
export function differences(names: readonly string[], { wanted, given, is }: { wanted: object; given: object; is: object }): { changes: Record<string, unknown>; details: string[] } {
  const [wish, fact] = [wanted as Record<string, unknown>, is as Record<string, unknown>];
  const changed = names.filter((name) => name in given && JSON.stringify(wish[name]) !== JSON.stringify(fact[name]));
  return {
    changes: Object.fromEntries(changed.map((name) => [name, wish[name]])),
    details: changed.map((name) => `${name}: ${shown(name, fact[name])} -> ${shown(name, wish[name])}`),
  };
}

function shown(name: string, value: unknown): string {
  if (value === '' || value === null || value === undefined) return '-';
  if (typeof value === 'number' && name.endsWith('Bytes')) return exactSize(value);
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** With its unit where that says it exactly. */
export function exactSize(bytes: number): string {
  const text = formatBytes(bytes);
  return parseBytes(text) === bytes ? text : `${bytes} bytes`;
}

export const perform = (operation: string, input: Record<string, unknown>): Action => ({ do: 'perform', operation, input });
export const step = (section: Section, verb: Step['verb'], name: string, details: string[], action?: Action): Step => ({ section, verb, name, details, ...(action && { action }) });
