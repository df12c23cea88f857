/** What goes in and out of the verbs of this slice. */
import * as z from 'zod';
import { refSchema } from '../core/id.ts';
import { networkStates } from './rules.ts';

export const NetworkRef = refSchema.meta({ label: 'Network' });

/** As libvirt names networks and files. */
export const NetworkName = z.string().trim().regex(/^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$/, 'Start with a letter or digit; then letters, digits, dash and underscore, at most 32.')
  .meta({ label: 'Name', help: 'VMs refer to it, so it cannot be changed later.' });

const Description = z.string().trim().max(256).meta({ label: 'Description' });
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
