/** Where events are sent, from what is to what a site file wishes. Pure. What it does not name stays. */
import { missingSecrets, receiverOf, settingNames } from '../activity/destination-rules.ts';
import { differences, entries, perform, step, type Step, type Wish } from './plan-step.ts';

export function planDestinations(wish: Wish): Step[] {
  return entries(wish, 'destinations').flatMap(({ wanted, given }) => {
    const is = wish.current.destinations.find(({ name }) => name === wanted.name);
    if (!is) {
      const missing = missingSecrets(wanted);
      const told = missing.length > 0 ? [`Sends nothing until this is set: ${missing.join(', ')}.`] : [];
      return step('destinations', 'create', wanted.name, [`${wanted.kind} ${receiverOf(wanted)}`.trim(), ...told], perform('destination.create', wanted));
    }
    if (is.kind !== wanted.kind) return step('destinations', 'conflict', wanted.name, [`kind: is ${is.kind}, and a destination keeps it. Delete it first, or choose another name.`]);
    const { changes, details } = differences(['isEnabled', 'severity', 'kinds', ...settingNames], { wanted, given, is });
    const secrets = wish.otherSecrets.get(wanted.name) ?? [];
    if (details.length + secrets.length === 0) return [];
    const words = details.map((line) => (line.startsWith('ca:') ? 'ca' : line)); // a certificate is no line
    return step('destinations', 'change', wanted.name, [...words, ...secrets], perform('destination.edit', { destination: is.id, ...changes, ...Object.fromEntries(secrets.map((name) => [name, wanted[name]])) }));
  });
}
