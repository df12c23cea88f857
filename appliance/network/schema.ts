/** What goes in and out of the verbs of this slice. */
import * as z from 'zod';
import { refSchema } from '../core/id.ts';
import { networkStates } from './rules.ts';

export const NetworkRef = refSchema.meta({ label: 'Network' });

/** As libvirt names networks and files. */
export const NetworkName = z.string().trim().regex(/^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$/, 'Start with a letter or digit; then letters, digits, dash and underscore, at most 32.')
  .meta({ label: 'Name', help: 'VMs refer to it, so it cannot be changed later.' });

const Description = z.string().trim().max(256).meta({ label: 'Description', help: 'What it is for.' });
const Bridge = z.string().trim().regex(/^[^\s/:]{1,15}$/, 'A name of a network device: at most 15 characters, no spaces.').meta({ label: 'Bridge', help: 'A bridge that this host has. VMs are then on the same network as the host.' });

export const NetworkInput = z.object({
  name: NetworkName,
  kind: z.enum(['nat', 'bridge']).default('nat').meta({ label: 'Kind', help: 'NAT: VMs share the address of the host. Bridge: VMs are on the network of the host with addresses of their own.' }),
  subnet: z.string().trim().max(18).optional().meta({ label: 'Subnet', help: 'Only for NAT, such as 192.168.150.0/24. Leave empty for a free one.' }),
  bridge: Bridge.optional(),
  description: Description.default(''),
});

export const NetworkPatch = z.object({ network: NetworkRef, description: Description.optional(), bridge: Bridge.optional() });

export const About = z.object({ kind: z.string(), id: z.string(), name: z.string() });

export const NetworkOutput = z.object({
  id: z.uuid(),
  name: z.string(),
  kind: z.enum(['nat', 'bridge']),
  description: z.string(),
  state: z.enum(networkStates),
  /** Why it is not active; empty when it is. */
  reason: z.string(),
  since: z.number().int(),
  /** Its bridge on the host; empty while it has none. */
  bridge: z.string(),
  /** CIDR; null while it is not known. */
  subnet: z.string().nullable(),
  usedBy: z.array(About),
  generation: z.number().int(),
  createdAt: z.number().int(),
});

export const BridgeOutput = z.object({
  name: z.string(),
  isUp: z.boolean(),
  addresses: z.array(z.string()),
  /** The network that uses it; null for none. */
  network: z.string().nullable(),
});

const Server = z.union([z.ipv4(), z.ipv6()]);

export const PortSettingsSchema = z.object({
  method: z.enum(['dhcp', 'static']),
  address: z.string().nullable(),
  gateway: z.string().nullable(),
  dns: z.array(z.string()),
});

export const HostNetworkRef = z.object({ host: refSchema.meta({ label: 'Host', help: 'Host name, or "this".' }) });

export const PortInput = HostNetworkRef.extend({
  /** As the kernel names it; no letter that systemd-networkd takes for a pattern. */
  port: z.string().regex(/^([A-Za-z0-9._-]{1,15}|([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2})$/, 'A name of a port, such as eno1, or its MAC address.').meta({ label: 'Port', help: 'Its name, or its MAC address.' }),
  method: z.enum(['dhcp', 'static']).meta({ label: 'Addresses', help: 'dhcp: the network gives one. static: the one given here.' }),
  address: z.union([z.cidrv4(), z.cidrv6()]).optional().meta({ label: 'Address', help: 'With its prefix length, such as 192.168.10.5/24.' }),
  gateway: Server.optional().meta({ label: 'Gateway', help: 'Leave empty where there is none.' }),
  dns: z.array(Server).max(3).default([]).meta({ label: 'Name servers', help: 'Addresses, with commas between them. With DHCP they come beside those that it tells.' }),
  confirmBy: z.enum(['person', 'network']).default('person').meta({ label: 'Kept when', help: 'person: somebody confirms. network: the gateway answers, for machines with nobody beside them.' }),
  confirmSeconds: z.coerce.number().int().min(10).max(600).default(60).meta({ label: 'Time to confirm', unit: 's', help: 'The old addresses come back unless they are confirmed in this time.' }),
});

export const HostNetworkOutput = z.object({
  /** Whether addresses can be set here. */
  isManaged: z.boolean(),
  ports: z.array(z.object({
    name: z.string(), mac: z.string(), speedMbps: z.number(), isUp: z.boolean(), isBridge: z.boolean(), addresses: z.array(z.string()),
    /** What somebody has set; null where the default holds: DHCP. */
    settings: PortSettingsSchema.nullable(),
  })),
  gateways: z.array(z.object({ port: z.string(), address: z.string() })),
  dns: z.array(z.string()),
  /** The task that waits until somebody confirms. */
  trial: z.uuid().nullable(),
});
