/**
 * The site file: one YAML document made of the API's own schemas, so that what an operation takes is what its section takes.
 *
 * Only what the API has no word for is defined here: where the bytes of an image come from, and wishes that are stored until
 * clustering is there. Fields with `.meta({ secret: true })` may be sealed to a machine (`sealed.ts`).
 */
import * as z from 'zod';
import { DestinationCreateInput } from '../activity/destination-schema.ts';
import { HistorySettingsEdit } from '../activity/schema.ts';
import { QuotaCreateInput } from '../auth/quota-schema.ts';
import { AssignmentCreateInput, GroupCreateInput, RoleCreateInput, SignInRulesInput, UserCreateInput } from '../auth/schema.ts';
import { isWebAddress } from '../core/address.ts';
import { nameSchema, refSchema } from '../core/id.ts';
import { CertificatePair, HostSettingsInput } from '../host/schema.ts';
import { NetworkInput, PortInput } from '../network/schema.ts';
import { DiskCreateInput, DomainEditInput, imageFormatSchema, mediumNameSchema } from '../storage/schema.ts';
import { UpdatePolicyInput } from '../update/schema.ts';
import { VmDefaultsEdit } from '../vm/defaults/schema.ts';
import { PoolCreateInput } from '../vm/pool/schema.ts';
import { NewDisk, VmCreateInput } from '../vm/schema.ts';

const ImageUrl = z.string().max(2048).refine(isWebAddress, 'An address that begins with https:// or http://, without user and password in it.')
  .meta({ label: 'Address', help: 'Fetched when the file is applied.' });
const StickFile = z.string().max(255).regex(/^[^./\p{C}][^\p{C}]*$/u, 'A path on the same stick, relative to its top.')
  .refine((path) => !path.split('/').includes('..'), 'The path may not leave the stick.')
  .meta({ label: 'File', help: 'A file beside the site file, on the same stick.' });
const Sha256 = z.string().trim().toLowerCase().regex(/^[0-9a-f]{64}$/, 'A SHA-256 checksum: 64 hexadecimal digits.').meta({ label: 'SHA-256' });

const sourceFields = { url: ImageUrl.optional(), file: StickFile.optional(), sha256: Sha256.optional() };
type SourceWish = { url?: string | undefined; file?: string | undefined; sha256?: string | undefined };
const isOneSource = ({ url, file }: SourceWish) => (url === undefined) !== (file === undefined);
const oneSource = { path: ['url'], message: 'Give the address with "url", or a file on the stick with "file"; not both.' };
const isProven = ({ url, sha256 }: SourceWish) => url === undefined || sha256 !== undefined;
const proven = { path: ['sha256'], message: 'What is fetched needs its checksum: "sha256".' };

/** An installation image. */
export const SiteImage = z.object({ name: mediumNameSchema, domain: refSchema.default('isos').meta({ label: 'Storage domain' }), ...sourceFields })
  .refine(isOneSource, oneSource).refine(isProven, proven);

/** What a disk is filled with when the file makes it. A disk that is there already keeps its content. */
export const DiskContent = z.object({ ...sourceFields, format: imageFormatSchema }).refine(isOneSource, oneSource).refine(isProven, proven)
  .meta({ label: 'Content' });

export const SiteDisk = DiskCreateInput.extend({ content: DiskContent.optional() });
const SiteVmDisk = NewDisk.safeExtend({ content: DiskContent.optional() })
  .refine(({ disk, content }) => disk === undefined || content === undefined, { path: ['content'], message: 'Content is for a new disk. An existing one keeps its own.' });
export const SiteVm = VmCreateInput.extend({ disks: z.array(SiteVmDisk).max(16).default([]).meta({ label: 'Disks' }) });
export const SiteDomain = DomainEditInput.omit({ domain: true }).extend({ name: nameSchema.meta({ label: 'Name' }) });
export const SiteHost = HostSettingsInput.omit({ host: true });

/** Addresses of the machine's own ports. They are kept only if the network behind the port answers. */
export const SitePort = PortInput.omit({ host: true, confirmBy: true, confirmSeconds: true });

/** Stored until clustering is there. */
export const ClusterJoin = z.object({
  peers: z.array(z.string().max(253).regex(/^[A-Za-z0-9[\]:._-]+$/, 'A host name or an address, with a port if need be.')).min(1).max(16).meta({ label: 'Peers' }),
  token: z.string().min(8).max(512).optional().meta({ label: 'Token', secret: true }),
});

const listOf = <T extends z.ZodType>(item: T, label: string) => z.array(item).max(1000).default([]).meta({ label });

export const SiteFile = z.object({
  bothy: z.literal(1, 'Begin the file with "bothy: 1": the version of its format.').meta({ label: 'Version of the format' }),
  host: SiteHost.optional().meta({ label: 'Host' }),
  ports: listOf(SitePort, 'Ports'),
  certificate: CertificatePair.optional().meta({ label: 'Certificate', help: 'What browsers are shown. Without it this machine makes its own.' }),
  history: HistorySettingsEdit.optional().meta({ label: 'History', help: 'How long is kept what happened and what was used.' }),
  destinations: listOf(DestinationCreateInput, 'Destinations of events'),
  signIn: SignInRulesInput.optional().meta({ label: 'Rules of signing in' }),
  storageDomains: listOf(SiteDomain, 'Storage domains'),
  networks: listOf(NetworkInput, 'Networks'),
  roles: listOf(RoleCreateInput, 'Roles'),
  users: listOf(UserCreateInput, 'Users'),
  groups: listOf(GroupCreateInput, 'Groups'),
  quotas: listOf(QuotaCreateInput, 'Quotas'),
  images: listOf(SiteImage, 'Installation images'),
  disks: listOf(SiteDisk, 'Disks'),
  vms: listOf(SiteVm, 'VMs'),
  pools: listOf(PoolCreateInput, 'Pools'),
  access: listOf(AssignmentCreateInput, 'Roles on single things'),
  vmDefaults: VmDefaultsEdit.optional().meta({ label: 'Defaults of VMs', help: 'What VMs get that have not chosen themselves.' }),
  updates: UpdatePolicyInput.optional().meta({ label: 'Updates', help: 'Where newer versions come from, and when they may restart this machine.' }),
  cluster: ClusterJoin.optional().meta({ label: 'Cluster' }),
  onNewFile: z.enum(['ask', 'apply']).default('ask')
    .meta({ label: 'On a new file', help: 'What to do when another site file is found on a stick or named by the boot, once this one was applied.' }),
});

export type Site = z.output<typeof SiteFile>;
export type SiteVmWish = Site['vms'][number];
export type Content = z.output<typeof DiskContent>;

// ---------------------------------------------------------------------------------------------- in and out

/** Larger than any site needs, and far less than what could keep the parser busy. */
export const largestFileBytes = 512 * 1024;
const Text = z.string().max(largestFileBytes, 'The file is larger than 512 KiB.').meta({ label: 'Site file', widget: 'code', help: 'YAML that begins with `bothy: 1`.' });

export const CheckInput = z.object({ text: Text });
/** Without a text: the file that was found and waits, or else the one that was applied last. */
export const TextInput = z.object({ text: Text.optional() });
export const ExportInput = z.object({
  secrets: z.union([z.boolean(), z.stringbool()]).default(false).meta({ label: 'With secrets', help: 'Password hashes too. Keep the file as you would keep a key.' }),
});

export const Fault = z.object({ line: z.int(), column: z.int(), path: z.string(), message: z.string() });
export const CheckOutput = z.object({ isValid: z.boolean(), faults: z.array(Fault) });

export const PlanStep = z.object({
  section: z.string(),
  /** `conflict`: cannot be brought about, and why. `note`: worth knowing, nothing is done. */
  verb: z.enum(['create', 'change', 'fetch', 'fill', 'attach', 'start', 'store', 'conflict', 'note']),
  name: z.string(),
  /** What changes, or why not; never a secret. */
  details: z.array(z.string()),
});
export const PlanOutput = z.object({ steps: z.array(PlanStep), isConverged: z.boolean() });

export const SiteOutput = z.object({
  /** The last file that was taken, whether or not it could be applied; null before the first. */
  current: z.object({
    id: z.uuid(), state: z.enum(['applying', 'applied', 'failed']), source: z.string(), receivedAt: z.int(), endedAt: z.int().nullable(), task: z.string().nullable(), actor: z.string(),
  }).nullable(),
  /** A file that was found and not taken: it is wrong, or it waits for somebody to say yes. */
  found: z.object({ id: z.uuid(), state: z.enum(['refused', 'waiting']), source: z.string(), receivedAt: z.int(), faults: z.array(Fault) }).nullable(),
  /** For sealing secrets so that only this machine can read them. */
  sealingKey: z.string(),
});
