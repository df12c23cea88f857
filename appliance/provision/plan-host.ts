/** Settings of the appliance as a whole, as steps of a plan: the machine, its certificate, history, updates. Pure. */
import { certificateFacts } from '../host/certificate.ts';
import { differences, perform, type Step, step, type Wish } from './plan-step.ts';

export function planHost({ site: { host }, current }: Wish): Step[] {
  if (!host) return [];
  const { changes, details } = differences(Object.keys(host), { wanted: host, given: host, is: current.host.wanted });
  if (details.length === 0) return [];
  const told = current.host.isManaged ? [] : ['This machine is not Bothy\'s own: the wish is kept and nothing is touched.'];
  const shownDetails = details.map((line) => (line.startsWith('sshKeys') ? `sshKeys: ${host.sshKeys?.length ?? 0} keys` : line));
  return [step('host', 'change', current.host.actual.hostname, [...shownDetails, ...told], perform('host.edit-settings', { host: 'this', ...changes }))];
}

export function planHistory({ site: { history }, current }: Wish): Step[] {
  if (!history) return [];
  const { changes, details } = differences(Object.keys(history), { wanted: history, given: history, is: current.history });
  return details.length === 0 ? [] : [step('history', 'change', 'history', details, perform('history.edit', changes))];
}

export function planVmDefaults({ site: { vmDefaults }, current }: Wish): Step[] {
  if (!vmDefaults) return [];
  const { changes, details } = differences(Object.keys(vmDefaults), { wanted: vmDefaults, given: vmDefaults, is: current.vmDefaults });
  return details.length === 0 ? [] : [step('vmDefaults', 'change', 'VMs', details, perform('vm-defaults.edit', changes))];
}

export function planUpdates({ site: { updates }, current }: Wish): Step[] {
  if (!updates) return [];
  const { changes, details } = differences(Object.keys(updates), { wanted: updates, given: updates, is: current.updates });
  return details.length === 0 ? [] : [step('updates', 'change', 'updates', details, perform('update.edit-policy', changes))];
}

export function planCertificate({ site: { certificate }, current }: Wish): Step[] {
  if (!certificate) return [];
  const { fingerprint, subject, validTo } = certificateFacts(certificate.chain);
  if (current.certificate?.fingerprint === fingerprint) return [];
  const until = new Date(validTo).toISOString().slice(0, 10);
  return [step('certificate', 'change', subject, [`valid to ${until}`], perform('host.set-certificate', { host: 'this', ...certificate }))];
}
