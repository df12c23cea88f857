/**
 * The seed that cloud-init reads (its data source "NoCloud"): user-data, meta-data and network-config of one VM. Pure.
 *
 * Written by the YAML library alone, with every text in quotes: to cloud-init, which reads YAML 1.1, a bare 52:54:00:11:22:33 is a number.
 */
import { createHash } from 'node:crypto';
import { Document, isMap, type ToStringOptions } from 'yaml';
import type { SeedFiles } from '../../world.ts';
import { isCloudConfig, isScript, readYaml } from './own-text.ts';
import type { CloudInit } from './settings.ts';

/** As cloud-init looks for it; a FAT volume shows it in capitals, which is as good. */
export const seedLabel = 'cidata';

export interface SeedSource {
  vmName: string;
  instanceId: string;
  settings: CloudInit;
  /** Of its network interfaces, in their order. */
  macs: string[];
}

const print: ToStringOptions = { lineWidth: 0, defaultStringType: 'QUOTE_DOUBLE', defaultKeyType: 'PLAIN' };

export function seedFiles({ vmName, instanceId, settings, macs }: SeedSource): SeedFiles {
  const network = networkConfig(settings, macs);
  return {
    'meta-data': yaml({ 'instance-id': instanceId, 'local-hostname': settings.hostname ?? hostnameOf(vmName) }),
    'user-data': userData(settings),
    ...(network !== undefined && { 'network-config': network }),
  };
}

const yaml = (value: unknown): string => new Document(value).toString(print);

/** A VM's name is what people call it; of it what a network understands. */
export function hostnameOf(vmName: string): string {
  const plain = vmName.normalize('NFKD').toLowerCase().replace(/[^a-z0-9]+/g, '-').slice(0, 63).replace(/^-+|-+$/g, '');
  return plain === '' ? 'vm' : plain;
}

// ------------------------------------------------------------------------------------------------ user-data

/** `user` is the image's own user under another name, with its groups and its right to administer. Without a name that user keeps its own. */
function ownConfig({ user, passwordHash, sshKeys }: CloudInit): Record<string, unknown> {
  return {
    manage_etc_hosts: true,
    ...(user !== null && { user: { name: user, ...(passwordHash !== null && { lock_passwd: false, hashed_passwd: passwordHash }) } }),
    ...(user === null && passwordHash !== null && { password: passwordHash, chpasswd: { expire: false } }),
    ...(sshKeys.length > 0 && { ssh_authorized_keys: sshKeys }),
  };
}

function userData(settings: CloudInit): string {
  const config = ownConfig(settings);
  const own = settings.userData;
  if (own === null) return `#cloud-config\n${yaml(config)}`;
  return isScript(own) ? inParts(`#cloud-config\n${yaml(config)}`, own) : merged(config, own);
}

/** Theirs as they wrote it; ours where it says nothing. */
function merged(config: Record<string, unknown>, own: string): string {
  const document = isCloudConfig(own) ? readYaml(own) : 'not #cloud-config';
  if (typeof document === 'string') throw new Error(`own user data: ${document}`); // it was checked when it came
  if (!isMap(document.contents)) return `#cloud-config\n${yaml(config)}`;
  for (const [name, value] of Object.entries(config)) if (!document.has(name)) document.set(name, document.createNode(value));
  const text = document.toString(print);
  return text.startsWith('#cloud-config') ? text : `#cloud-config\n${text}`;
}

/** A script and settings together are a message of two parts. The line between them follows from what is in them, so that equal settings give equal seeds. */
function inParts(config: string, script: string): string {
  const between = `part-${createHash('sha256').update(config).update(script).digest('hex').slice(0, 32)}`;
  const part = (type: string, text: string) => [`--${between}`, `Content-Type: ${type}; charset="utf-8"`, 'MIME-Version: 1.0', 'Content-Transfer-Encoding: base64', '', base64(text), ''].join('\n');
  return [`Content-Type: multipart/mixed; boundary="${between}"`, 'MIME-Version: 1.0', '', `${part('text/cloud-config', config)}${part('text/x-shellscript', script)}--${between}--`, ''].join('\n');
}

const base64 = (text: string) => Buffer.from(text).toString('base64').replace(/.{76}/g, '$&\n');

// ------------------------------------------------------------------------------------------------ network-config

function networkConfig({ interfaces, networkConfig: own }: CloudInit, macs: string[]): string | undefined {
  if (own !== null) return own;
  if (interfaces.length === 0) return undefined;
  const ethernets = Object.fromEntries(macs.map((mac, index) => [`nic${index}`, { match: { macaddress: mac }, ...ethernet(interfaces[index]) }]));
  return yaml({ version: 2, ethernets });
}

/** A start does not wait for an interface of which nothing was said. */
function ethernet(wish: CloudInit['interfaces'][number] | undefined): Record<string, unknown> {
  if (!wish) return { dhcp4: true, optional: true };
  const { addresses, gateways, dns, search } = wish;
  const nameservers = { ...(dns.length > 0 && { addresses: dns }), ...(search.length > 0 && { search }) };
  return {
    dhcp4: addresses.length === 0,
    ...(addresses.length > 0 && { addresses }),
    ...(gateways.length > 0 && { routes: gateways.map((via) => ({ to: via.includes(':') ? '::/0' : '0.0.0.0/0', via })) }),
    ...(Object.keys(nameservers).length > 0 && { nameservers }),
  };
}
