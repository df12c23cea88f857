/** Devices of the host for machines: what a rule means, and of several machines which one gets a device. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Device } from '../../appliance/host/device-schema.ts';
import { type Guest, matches, parseRule, placeOf, plainRule, planPasses, ruleOf } from '../../appliance/vm/pass/rules.ts';
import { readPassed, usbXml } from '../../appliance/vm/pass/usb-xml.ts';
import { element, parseXml, printXml } from '../../appliance/vm/definition/xml.ts';

const stick = (port: string, changes: Partial<Device> = {}): Device => ({
  id: `usb-port:${port}`, kind: 'usb', type: 'usb', name: 'Stick', vendorId: '0951', productId: '1666', vendor: '', product: '', serial: '', driver: 'usb', usb: { bus: 1, device: Number(port.at(-1)) + 10 },
  sizeBytes: null, iommuGroup: null, together: [], obstacle: null, usedBy: null, ...changes,
});
const guest = (name: string, startedAt: number, rules: string[], plugged: Record<string, string> = {}): Guest =>
  ({ id: name, name, startedAt, wishes: rules.map((rule, index) => ({ id: `${name}-${index}`, rule })), plugged: new Map(Object.entries(plugged)) });
const planned = (devices: Device[], guests: Guest[]) => {
  const { give, takeOff, verdicts } = planPasses(devices, guests);
  return { give: give.map(({ wish, device }) => `${wish} ${device.id}`), takeOff: takeOff.map(({ wish }) => wish), states: Object.fromEntries([...verdicts].map(([wish, { state }]) => [wish, state])) };
};

test('a rule names a thing or a place; anything else is none', () => {
  assert.equal(parseRule('usb:0951:1666'), { kind: 'usb', vendorId: '0951', productId: '1666', serial: null });
  assert.equal(parseRule('USB:04B8:0202:J7: a'), { kind: 'usb', vendorId: '04b8', productId: '0202', serial: 'J7: a' });
  assert.equal(parseRule('usb-port:1-4.1'), { kind: 'usb-port', port: '1-4.1' });
  for (const wrong of ['', 'usb:951:1666', 'usb:0951', 'usb:0951:1666:', 'usb:0951:1666:a\nb', 'usb-port:1', 'usb-port:0-1', 'usb-port:1-1.', 'usb-port:1-1/..', 'floppy:1', 'xusb:0951:1666']) assert.is(parseRule(wrong), undefined, wrong);
  assert.is(plainRule('USB:04B8:0202:Ab'), 'usb:04b8:0202:Ab');
});

test('a rule means the device, or the place, or neither', () => {
  const device = stick('1-2', { serial: 'E0D55E' });
  const means = (rule: string) => { const parsed = parseRule(rule); return parsed !== undefined && matches(parsed, device); };
  assert.equal(['usb:0951:1666', 'usb:0951:1666:E0D55E', 'usb-port:1-2', 'usb:0951:1666:e0d55e', 'usb:0951:1667', 'usb-port:1-2.1'].map(means), [true, true, true, false, false, false]);
  assert.equal([ruleOf(device), ruleOf(stick('1-2'))], ['usb:0951:1666:E0D55E', 'usb:0951:1666']);
  assert.is(parseRule('usb:0951:1666') && matches({ kind: 'usb', vendorId: '0951', productId: '1666', serial: null }, { ...device, kind: 'pci' }), false);
});

test('of two equal ones a rule gets the first that is free, and two rules get one each', () => {
  const [first, second] = [stick('1-2'), stick('1-10')];
  assert.equal(planned([second, first], [guest('a', 1, ['usb:0951:1666'])]).give, ['a-0 usb-port:1-2']);
  assert.equal(planned([second, first], [guest('b', 2, ['usb:0951:1666']), guest('a', 1, ['usb:0951:1666'])]).give, ['a-0 usb-port:1-2', 'b-0 usb-port:1-10']);
});

test('who has a device keeps it; of those who wait, who was started first gets it, and the other is told by whom it is taken', () => {
  const device = stick('1-2');
  const rules = ['usb:0951:1666'];
  assert.equal(planned([device], [guest('a', 1, rules), guest('b', 2, rules, { 'b-0': placeOf(device) })]), { give: [], takeOff: [], states: { 'a-0': 'taken', 'b-0': 'in-use' } });
  assert.equal(planned([device], [guest('b', 2, rules), guest('a', 1, rules)]), { give: ['a-0 usb-port:1-2'], takeOff: [], states: { 'a-0': 'moving', 'b-0': 'taken' } });
  const { verdicts } = planPasses([device], [guest('b', 2, rules), guest('a', 1, rules)]);
  const taken = verdicts.get('b-0');
  assert.is(taken?.state === 'taken' && taken.holder.name, 'a');
});

test('what is no longer there, or no longer wished, goes first; it comes back once that is done', () => {
  const again = stick('1-2', { usb: { bus: 1, device: 44 } });
  assert.equal(planned([again], [guest('a', 1, ['usb:0951:1666'], { 'a-0': 'usb:1:12' })]), { give: [], takeOff: ['a-0'], states: { 'a-0': 'moving' } });
  assert.equal(planned([], [guest('a', 1, [], { gone: 'usb:1:12' })]).takeOff, ['gone']);
  assert.equal(planned([stick('1-2')], [guest('b', 1, ['usb:0951:1666']), guest('a', 2, [], { gone: 'usb:1:12' })]), { give: [], takeOff: ['gone'], states: { gone: 'moving', 'b-0': 'taken' } });
});

test('what nobody has plugged in is waited for; what the host works with is not given, and says why', () => {
  assert.equal(planned([], [guest('a', 1, ['usb:0951:1666'])]).states, { 'a-0': 'waiting' });
  const kept = stick('1-2', { obstacle: { code: 'in-use-by-host', message: 'The host works with its disk sda1.', nextStep: 'Use another.' } });
  const { give, verdicts } = planPasses([kept], [guest('a', 1, ['usb-port:1-2'])]);
  const verdict = verdicts.get('a-0');
  assert.equal([give.length, verdict?.state === 'failed' && verdict.message], [0, 'The host works with its disk sda1.']);
});

test('its XML names what it is and where it is, and is read back as its place', () => {
  const device = stick('1-2');
  const xml = printXml(usbXml('00000000-0000-4000-8000-000000000001', device));
  assert.match(xml, /<vendor id="0x0951"\/>\s*<product id="0x1666"\/>\s*<address bus="1" device="12"\/>/);
  assert.equal(readPassed(element('domain', {}, element('devices', {}, parseXml(xml)))), { '00000000-0000-4000-8000-000000000001': placeOf(device) });
  const others = '<devices><hostdev type="usb"><source><address bus="1" device="3"/></source><alias name="hostdev0"/></hostdev></devices>';
  assert.equal(readPassed(parseXml(`<domain>${others}</domain>`)), {});
});

test.run();
