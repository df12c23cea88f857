/**
 * Which device of the host which machine gets. Pure.
 *
 *   usb:0951:1666           what it is: vendor and product, as the host numbers them; of several equal ones the first that is free
 *   usb:0951:1666:E0D55E    the one with that serial number
 *   usb-port:1-1.2          whatever is plugged in there
 *
 * Who has a device keeps it as long as it is plugged in and asked for. Of those who wait for one, who was started first gets it.
 */
import type { Device } from '../../host/device-schema.ts';

export type DeviceRule =
  | { kind: 'usb'; vendorId: string; productId: string; serial: string | null }
  | { kind: 'usb-port'; port: string };

const usb = /^usb:([0-9a-f]{4}):([0-9a-f]{4})(?::([^\p{C}]{1,126}))?$/iu;
const usbPort = /^usb-port:([1-9]\d{0,2}-[1-9]\d{0,2}(?:\.[1-9]\d{0,2}){0,6})$/i;

/** `undefined` for what is none. */
export function parseRule(text: string): DeviceRule | undefined {
  const [, vendorId, productId, serial = null] = usb.exec(text) ?? [];
  if (vendorId !== undefined && productId !== undefined) return { kind: 'usb', vendorId: vendorId.toLowerCase(), productId: productId.toLowerCase(), serial };
  const port = usbPort.exec(text)?.[1];
  return port === undefined ? undefined : { kind: 'usb-port', port };
}

/** As it is kept: the same device in the same words. What is no rule stays as it is, for who tells that. */
export function plainRule(text: string): string {
  const rule = parseRule(text);
  if (!rule) return text;
  if (rule.kind === 'usb-port') return `usb-port:${rule.port}`;
  return ['usb', rule.vendorId, rule.productId, ...(rule.serial === null ? [] : [rule.serial])].join(':');
}

export function matches(rule: DeviceRule, device: Pick<Device, 'kind' | 'id' | 'vendorId' | 'productId' | 'serial'>): boolean {
  if (device.kind !== 'usb') return false;
  if (rule.kind === 'usb-port') return device.id === `usb-port:${rule.port}`;
  return device.vendorId === rule.vendorId && device.productId === rule.productId && (rule.serial === null || device.serial === rule.serial);
}

/** The rule that means this very device wherever it is plugged in; as good as its serial number allows. */
export const ruleOf = ({ vendorId, productId, serial }: Pick<Device, 'vendorId' | 'productId' | 'serial'>): string => plainRule(`usb:${vendorId}:${productId}${serial === '' ? '' : `:${serial}`}`);

/** What libvirt calls it while it is plugged in: with the next plugging in it is another. */
export const placeOf = ({ id, usb: place }: Pick<Device, 'id' | 'usb'>): string => (place ? `usb:${place.bus}:${place.device}` : id);

// ------------------------------------------------------------------------------------------------ who gets what

export interface Wish {
  /** Of the rule. */
  id: string;
  rule: string;
}

/** A machine that runs, and has wishes or devices. */
export interface Guest {
  id: string;
  name: string;
  startedAt: number;
  /** In the order in which they were made. */
  wishes: Wish[];
  /** Place of what it has, by the id of the wish that it was given for. */
  plugged: ReadonlyMap<string, string>;
}

export type Holder = Pick<Guest, 'id' | 'name'>;

export type Verdict =
  | { state: 'in-use'; device: Device }
  /** It is being given, or goes. */
  | { state: 'moving' }
  | { state: 'waiting' }
  | { state: 'taken'; device: Device; holder: Holder }
  | { state: 'failed'; device: Device; message: string; nextStep: string };

export interface PassPlan {
  takeOff: { guest: Guest; wish: string }[];
  give: { guest: Guest; wish: string; device: Device }[];
  /** By the id of the wish; a machine that does not run has none. */
  verdicts: Map<string, Verdict>;
}

const byPort = new Intl.Collator('en', { numeric: true });

export function planPasses(all: Device[], guests: Guest[]): PassPlan {
  const devices = all.toSorted((one, other) => byPort.compare(one.id, other.id));
  const there = new Map(devices.map((device) => [placeOf(device), device]));
  const holders = new Map<string, Holder>();
  const plan: PassPlan = { takeOff: [], give: [], verdicts: new Map() };
  for (const guest of guests) {
    for (const [wish, place] of guest.plugged) {
      const device = there.get(place);
      const rule = parseRule(guest.wishes.find(({ id }) => id === wish)?.rule ?? '');
      if (device) holders.set(device.id, guest);
      if (device && rule && matches(rule, device)) plan.verdicts.set(wish, { state: 'in-use', device });
      else {
        plan.takeOff.push({ guest, wish });
        plan.verdicts.set(wish, { state: 'moving' });
      }
    }
  }
  for (const guest of guests.toSorted((one, other) => one.startedAt - other.startedAt || one.id.localeCompare(other.id))) {
    for (const wish of guest.wishes.filter(({ id }) => !guest.plugged.has(id))) decide(plan, { guest, wish, devices, holders });
  }
  return plan;
}

interface Asked {
  guest: Guest;
  wish: Wish;
  devices: Device[];
  holders: Map<string, Holder>;
}

function decide({ give, verdicts }: PassPlan, { guest, wish, devices, holders }: Asked): void {
  const rule = parseRule(wish.rule);
  const fitting = devices.filter((device) => rule && matches(rule, device));
  const free = fitting.find(({ id, obstacle }) => obstacle === null && !holders.has(id));
  if (free) {
    holders.set(free.id, guest);
    give.push({ guest, wish: wish.id, device: free });
    verdicts.set(wish.id, { state: 'moving' });
    return;
  }
  const [first] = fitting;
  const taken = fitting.find(({ id }) => holders.has(id));
  const holder = taken && holders.get(taken.id);
  if (!first) verdicts.set(wish.id, { state: 'waiting' });
  else if (taken && holder) verdicts.set(wish.id, { state: 'taken', device: taken, holder });
  else if (first.obstacle) verdicts.set(wish.id, { state: 'failed', device: first, message: first.obstacle.message, nextStep: first.obstacle.nextStep });
}
