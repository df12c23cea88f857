/** The order of starts as wishes: from what a request names to what is kept, and back. */
import { Problem } from '../../core/problem.ts';
import { circleOf, type Startup, usualStartup } from './startup-rules.ts';
import type { VmRows } from '../rows.ts';

type Given = { [K in keyof Startup]?: Startup[K] | undefined };
export const startupNames = Object.keys(usualStartup) as (keyof Startup)[]; // an object of exactly that type

/** Takes the settings out of a request: what is given of them, and the rest. */
export function splitStartup<T extends Given>(wanted: T): { startup: Given; rest: Omit<T, keyof Startup> } {
  const startup = Object.fromEntries(startupNames.filter((name) => wanted[name] !== undefined).map((name) => [name, wanted[name]])) as Given; // its own names
  const rest = Object.fromEntries(Object.entries(wanted).filter(([name]) => !(name in usualStartup))) as Omit<T, keyof Startup>; // all others
  return { startup, rest };
}

/** What is kept. Whom a VM starts after is kept by id: names change. */
export function keptStartup(rows: VmRows, given: Given, vm?: { id: string; startup: Startup }): Startup {
  const { startAfter, ...others } = given;
  const kept: Startup = { ...usualStartup, ...vm?.startup, ...(others as Partial<Startup>) };
  if (startAfter === undefined) return kept;
  const after = [...new Set(startAfter.map((ref) => rows.require(ref).id))];
  const circle = vm ? circleOf(vm.id, after, (id) => rows.find(id)?.startup.startAfter ?? []) : [];
  if (circle.length > 0) {
    const names = circle.map((id) => rows.find(id)?.name ?? id).join(', ');
    throw new Problem('invalid-input', `These would wait for each other: ${names}. Leave one of them out.`, { errors: [{ path: 'startAfter', message: 'It would wait for itself.' }] });
  }
  return { ...kept, startAfter: after };
}

/** As it is shown: by the names of now, without those that have been deleted. */
export const shownStartup = (rows: VmRows, startup: Startup): Startup => ({ ...startup, startAfter: startup.startAfter.flatMap((id) => rows.find(id)?.name ?? []) });
