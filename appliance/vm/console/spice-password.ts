/**
 * A password of SPICE for whoever has just asked for a viewer's file: good for as long as a ticket, and the one before is over. The
 * viewer sends it encrypted to QEMU itself, so what listens on loopback lets in nobody else.
 */
import { randomBytes } from 'node:crypto';
import { ticketLifeMs } from './tickets.ts';
import type { VmServices } from '../services.ts';
import { type Element, findAll, parseXml, printXml } from '../definition/xml.ts';

/** SPICE has room for 60 characters. */
const passwordBytes = 24;

export async function issueSpicePassword({ hypervisor, clock }: Pick<VmServices, 'hypervisor' | 'clock'>, vmId: string): Promise<string> {
  const screen = findAll(parseXml(await hypervisor.domainXml(vmId)), 'devices', 'graphics').find(({ attributes }) => attributes['type'] === 'spice');
  if (!screen) throw new Error('asked for a password of SPICE where there is none');
  const password = randomBytes(passwordBytes).toString('base64url');
  await hypervisor.updateDevice(vmId, printXml(withPassword(screen, password, clock.now() + ticketLifeMs)));
  return password;
}

/** libvirt wants the screen whole, as it is but for the password. */
function withPassword(screen: Element, passwd: string, validTo: number): Element {
  const passwdValidTo = new Date(validTo).toISOString().slice(0, 'YYYY-MM-DDTHH:MM:SS'.length);
  return { ...screen, attributes: { ...screen.attributes, passwd, passwdValidTo } };
}
