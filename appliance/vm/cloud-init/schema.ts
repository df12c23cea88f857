/** What goes in and out of the verbs of cloud-init: what a guest is told about itself at its first boot. */
import * as z from 'zod';
import { refSchema } from '../../core/id.ts';
import { Hostname, SshKey } from '../../host/schema.ts';
import { networkConfigFault, userDataFault } from './own-text.ts';
import { windowsField, WindowsOutput } from './windows/schema.ts';

/** With room for all of them on a disk of 1 MiB. */
const longestText = 65_536;

const Server = z.union([z.ipv4(), z.ipv6()], 'An address, such as 192.168.10.1.');
const WithPrefix = z.union([z.cidrv4(), z.cidrv6()], 'An address with its prefix length, such as 192.168.10.5/24.');
const Domain = z.string().trim().max(253).regex(/^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$/, 'A domain, such as example.org.');

/** One network interface of the VM, by its place among them. */
export const CloudInterface = z.strictObject({
  addresses: z.array(WithPrefix).max(16).default([]).meta({ label: 'Addresses', help: 'With their prefix lengths, such as 192.168.10.5/24, and commas between them. Leave empty for DHCP.' }),
  gateways: z.array(Server).max(2).default([]).meta({ label: 'Gateways', help: 'One for IPv4, one for IPv6.' }),
  dns: z.array(Server).max(3).default([]).meta({ label: 'Name servers', help: 'Addresses, with commas between them.' }),
  search: z.array(Domain).max(6).default([]).meta({ label: 'Search domains', help: 'Added to short names.' }),
}).refine(({ addresses, gateways }) => addresses.length > 0 || gateways.length === 0, { path: ['gateways'], message: 'With DHCP the network tells the gateway. Give an address, too, or no gateway.' });

const text = (fault: (text: string) => string | undefined) => z.string().max(longestText, 'At most 64 KiB.').superRefine((value, { addIssue }) => {
  const message = fault(value);
  if (message) addIssue({ code: 'custom', message });
});

/** Hashes that every system of today reads. */
const passwordHash = /^\$(6|5|y)\$[A-Za-z0-9./$=,]{20,240}$/;

/** What is not given stays as it is; null or an empty list takes it away. */
export const cloudInitFields = {
  user: z.string().trim().regex(/^[a-z_][a-z0-9_-]{0,31}$/, 'Lower-case letters, digits, dash and underscore; a letter first; at most 32.').nullable().optional()
    .meta({ label: 'User', help: 'Who may sign in and administer. Leave empty for the name that its image uses, such as debian.' }),
  password: z.string().min(1).max(256).regex(/^[^\p{C}]*$/u, 'No control characters.').optional()
    .meta({ label: 'Password', help: 'Of that user, for the console. Only its hash is kept. Leave empty to keep the one that is set.', widget: 'password', secret: true }),
  passwordHash: z.string().regex(passwordHash, 'A hash as in /etc/shadow that begins with $6$, $5$ or $y$.').optional()
    .meta({ label: 'Hash of the password', help: 'In place of the password: as "mkpasswd" or "openssl passwd -6" print it.', widget: 'hidden', secret: true }),
  sshKeys: z.array(SshKey).max(50, 'At most fifty.').optional()
    .meta({ label: 'SSH keys', help: 'Public keys of those who may sign in as that user, one a line.', widget: 'textarea' }),
  hostname: Hostname.nullable().optional().meta({ label: 'Host name', help: 'Leave empty for the name of the VM.' }),
  interfaces: z.array(CloudInterface).max(16).optional()
    .meta({ label: 'Addresses of its network interfaces', help: 'The first is that of the first network interface, and so on; others use DHCP. Without any, the guest sets up its network as its image does.' }),
  userData: text(userDataFault).nullable().optional()
    .meta({ label: 'Own user data', help: 'What else cloud-init is to do: begins with #cloud-config, or with #! for a script. What it says goes before what is said above. Who may change this VM can read it.', widget: 'code' }),
  networkConfig: text(networkConfigFault).nullable().optional()
    .meta({ label: 'Own network configuration', help: 'Version 2, as in cloud-init\'s manual. It replaces the addresses above.', widget: 'code' }),
  windows: windowsField,
};

export const CloudInitWish = z.strictObject(cloudInitFields)
  .refine(({ password, passwordHash: hash }) => password === undefined || hash === undefined, { path: ['passwordHash'], message: 'Give the password or its hash, not both.' });
export type CloudInitWish = z.output<typeof CloudInitWish>;

/** As a part of what makes VMs. */
export const cloudInitField = CloudInitWish.optional().meta({ label: 'cloud-init', help: 'What the system inside is told about itself at its first boot.' });

const VmRef = z.object({ vm: refSchema.meta({ label: 'VM' }) });
export const CloudInitRef = VmRef;
export const CloudInitEditInput = VmRef.extend(cloudInitFields).extend({
  runAgain: z.boolean().default(false).meta({ label: 'Run again', help: 'The guest takes itself for a new one at its next start, also where nothing has changed here.' }),
}).refine(({ password, passwordHash: hash }) => password === undefined || hash === undefined, { path: ['passwordHash'], message: 'Give the password or its hash, not both.' });

export const CloudInitOutput = z.object({
  /** A seed is given to the guest at each start. */
  isOn: z.boolean(),
  /** What the guest knows itself by; another one makes cloud-init run again. Empty without a seed. */
  instanceId: z.string(),
  user: z.string().nullable(),
  hasPassword: z.boolean(),
  sshKeys: z.array(z.string()),
  hostname: z.string().nullable(),
  interfaces: z.array(CloudInterface),
  /** Null as well for whom may not change the VM. */
  userData: z.string().nullable(),
  networkConfig: z.string().nullable(),
  /** There is some of one's own, shown or not. */
  hasOwnText: z.boolean(),
  /** For Windows; null where nothing was said. */
  windows: WindowsOutput.nullable(),
});
export type CloudInitDetails = z.output<typeof CloudInitOutput>;
