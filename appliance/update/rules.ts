/**
 * What may be installed and switched to, and whether a version on trial has come up well. Pure.
 *
 *   upload, URL, stick --> installed (in the other slot, not startable) --switch--> on trial --> committed
 *                                                                             \--> failed: back in the old slot, which tells why
 */
import { formatBytes } from '../core/units.ts';
import type { SlotFact, SlotFacts } from '../world.ts';
import { compareVersions } from './versions.ts';

export interface Offer {
  version: string;
  product: string;
  architecture: string;
  minimumVersion: string;
  rootBytes: number;
}

export interface InstallFault {
  type: 'invalid-input' | 'wrong-state' | 'insufficient-storage' | 'unavailable';
  detail: string;
}

/** Why a bundle may not be installed here; `undefined` when it may. */
export function installFault(offer: Offer, facts: SlotFacts, { product, allowOlder }: { product: string; allowOlder: boolean }): InstallFault | undefined {
  const { version } = offer;
  if (facts.lack) return { type: 'unavailable', detail: facts.lack };
  if (offer.product !== product) return { type: 'invalid-input', detail: `This is an update for "${offer.product}", not for this appliance. Choose another file.` };
  if (offer.architecture !== facts.architecture) return { type: 'invalid-input', detail: `This update is for ${offer.architecture} machines; this one is ${facts.architecture}. Choose the file for it.` };
  if (version === facts.running) return { type: 'wrong-state', detail: `Version ${version} is running already. There is nothing to do.` };
  if (compareVersions(version, facts.running) < 0 && !allowOlder) return { type: 'wrong-state', detail: `Version ${version} is older than ${facts.running}, which is running. To go back on purpose, allow an older version.` };
  if (compareVersions(offer.minimumVersion, facts.running) > 0) return { type: 'wrong-state', detail: `Version ${version} can only be installed over version ${offer.minimumVersion} or newer; ${facts.running} is running. Install an update in between first.` };
  if (offer.rootBytes > facts.slotBytes) return { type: 'insufficient-storage', detail: `The system of version ${version} has ${formatBytes(offer.rootBytes)}; the slots of this disk hold ${formatBytes(facts.slotBytes)}. Install this machine anew from the image, on a larger disk if need be.` };
  return undefined;
}

/** The version that a switch goes to: what is installed and has not run, `isRetry`: or did not come up before. One that came up well is for a rollback. */
export const switchTarget = ({ slots }: SlotFacts, { isRetry }: { isRetry: boolean }): SlotFact | undefined =>
  slots.find(({ isRunning, state }) => !isRunning && state !== 'good' && (isRetry || state !== 'bad'));

/** The version that a rollback goes to: one that has come up well before. */
export const rollbackTarget = ({ slots }: SlotFacts): SlotFact | undefined => slots.find(({ isRunning, state }) => !isRunning && state === 'good');

/**
 * Whether the version that runs could be left for another one. One that did not come up is none, but for the one that was switched from: going back to
 * an older version puts the newer one behind it in the boot menu.
 */
export const hasFallback = ({ slots }: SlotFacts, trial: { from: string } | undefined): boolean =>
  slots.some(({ isRunning, state, version }) => !isRunning && (state === 'good' || state === 'trying' || (state === 'bad' && version === trial?.from)));

// ------------------------------------------------------------------------------------------------ the trial

/** What was there before a switch, and must be there after it. */
export interface Expectation {
  domains: { id: string; name: string }[];
  /** Those that ran; `isRequired`: it starts with the host, so the new version is good only if it runs. */
  vms: { id: string; name: string; isRequired: boolean }[];
  nics: { name: string; hasAddress: boolean }[];
}

export interface Sight {
  isHealthy: boolean;
  /** What is wrong with the service itself. */
  troubles: string[];
  domains: { id: string; isActive: boolean }[];
  vms: { id: string; state: string }[];
  nics: { name: string; hasAddress: boolean }[];
}

/** What is still missing, each as a sentence; nothing when all is well. */
export function missingOf(expected: Expectation, seen: Sight): string[] {
  return [...missingService(seen), ...missingDomains(expected, seen), ...missingNetwork(expected, seen), ...missingVms(expected, seen)];
}

const missingService = ({ isHealthy, troubles }: Sight) => (isHealthy ? [] : troubles.length > 0 ? troubles : ['The service is not healthy.']);

function missingDomains(expected: Expectation, seen: Sight): string[] {
  const active = new Set(seen.domains.filter(({ isActive }) => isActive).map(({ id }) => id));
  return expected.domains.filter(({ id }) => !active.has(id)).map(({ name }) => `The storage domain "${name}" was active before and is not.`);
}

/**
 * A card that is gone means that its driver is. An address may be another one, and a cable may have been pulled: where there were
 * addresses, one is enough, for then the box can be reached.
 */
function missingNetwork(expected: Expectation, seen: Sight): string[] {
  const there = new Set(seen.nics.map(({ name }) => name));
  const gone = expected.nics.filter(({ name }) => !there.has(name)).map(({ name }) => `The network interface ${name} was there before and is not.`);
  const isCutOff = expected.nics.some(({ hasAddress }) => hasAddress) && !seen.nics.some(({ hasAddress }) => hasAddress);
  return isCutOff ? [...gone, 'No network interface has an address, so nobody can reach this appliance.'] : gone;
}

function missingVms(expected: Expectation, seen: Sight): string[] {
  const states = new Map(seen.vms.map(({ id, state }) => [id, state]));
  // A VM that somebody has deleted meanwhile is not missed.
  const missing = expected.vms.filter(({ id, isRequired }) => isRequired && states.has(id) && states.get(id) !== 'up');
  return missing.map(({ name }) => `The VM "${name}" ran before and does not.`);
}
