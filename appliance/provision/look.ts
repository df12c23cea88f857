/** From a document to its plan on this appliance, now: what the pure planner needs is read here. */
import { secretNames } from '../activity/destination-rules.ts';
import { checkDocument } from './check.ts';
import { type Current, readCurrent } from './current.ts';
import { planSite } from './plan.ts';
import type { Step } from './plan-step.ts';
import type { Site } from './schema.ts';
import type { Performer, SiteServices } from './services.ts';

export interface Wanted {
  site: Site;
  document: unknown;
}

export async function lookNow(services: SiteServices, by: Performer): Promise<Current> {
  return readCurrent(async (id, input) => (await services.perform.run(id, input, by)).body);
}

export async function planNow(services: SiteServices, by: Performer, wanted: Wanted): Promise<Step[]> {
  const current = await lookNow(services, by);
  const otherPasswords = new Set<string>();
  for (const { name, password, passwordHash } of wanted.site.users) {
    const fullName = name.includes('@') ? name : `${name}@internal`;
    const user = services.people.userByName(fullName);
    if (!user || (password === undefined && passwordHash === undefined)) continue;
    if (!(await services.people.isPasswordOf(user, { password, passwordHash }))) otherPasswords.add(fullName);
  }
  const otherSecrets = new Map(wanted.site.destinations.map((wish) => {
    const kept = services.activity.destinations.find(wish.name)?.secrets;
    return [wish.name, secretNames.filter((name) => wish[name] !== undefined && wish[name] !== kept?.[name])];
  }));
  const promised = new Set(services.files.contents().filter(({ state }) => state === 'promised').map(({ disk }) => disk));
  return planSite({ ...wanted, current, otherPasswords, otherSecrets, promised, guestSecrets: services.guestSecrets() });
}

/** A document that was kept, opened again; `undefined` when it is no longer right, or its secrets cannot be opened. */
export function reopen({ key }: SiteServices, document: unknown): Wanted | undefined {
  const { site } = checkDocument(document, { unseal: key.unseal });
  return site && { site, document };
}
