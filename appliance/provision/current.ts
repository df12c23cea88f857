/** What there is now, read through the API's own operations: what a plan compares a site file with, and what an export writes down. */
import type * as z from 'zod';
import type { HistoryOutput } from '../activity/schema.ts';
import type { DestinationOutput } from '../activity/destination-schema.ts';
import type { QuotaOutput } from '../auth/quota-schema.ts';
import type { AssignmentOutput, GroupOutput, RoleOutput, SignInRulesOutput, UserOutput } from '../auth/schema.ts';
import type { CertificateOutput, HostSettingsOutput } from '../host/schema.ts';
import type { HostNetworkOutput, NetworkOutput } from '../network/schema.ts';
import type { DiskOutput, DomainOutput, FileOutput } from '../storage/schema.ts';
import type { UpdatePolicyOutput } from '../update/schema.ts';
import type { CloudInitOutput } from '../vm/cloud-init/schema.ts';
import type { PoolOutput } from '../vm/pool/schema.ts';
import type { VmDefaultsOutput } from '../vm/defaults/schema.ts';
import type { VmOutput, VmSummary } from '../vm/schema.ts';
import type { TemplateOutput } from '../vm/template/schema.ts';

export interface Current {
  host: z.output<typeof HostSettingsOutput>;
  hostNetwork: z.output<typeof HostNetworkOutput>;
  certificate: z.output<typeof CertificateOutput>;
  domains: z.output<typeof DomainOutput>[];
  networks: z.output<typeof NetworkOutput>[];
  signIn: z.output<typeof SignInRulesOutput>;
  history: z.output<typeof HistoryOutput>;
  vmDefaults: z.output<typeof VmDefaultsOutput>;
  updates: z.output<typeof UpdatePolicyOutput>;
  destinations: z.output<typeof DestinationOutput>[];
  /** Those that were made here. */
  roles: z.output<typeof RoleOutput>[];
  users: z.output<typeof UserOutput>[];
  groups: z.output<typeof GroupOutput>[];
  quotas: z.output<typeof QuotaOutput>[];
  access: z.output<typeof AssignmentOutput>[];
  images: (z.output<typeof FileOutput> & { domain: string })[];
  disks: z.output<typeof DiskOutput>[];
  vms: z.output<typeof VmOutput>[];
  /** What VMs are told about themselves, by id. */
  cloudInits: Record<string, z.output<typeof CloudInitOutput>>;
  templates: z.output<typeof TemplateOutput>[];
  pools: z.output<typeof PoolOutput>[];
}

/** Runs a reading operation by its id. */
export type Ask = (id: string, input: Record<string, unknown>) => Promise<unknown>;

interface Page<T> {
  items: T[];
  next: string | null;
}

export async function readCurrent(ask: Ask): Promise<Current> {
  // Each answer is of the schema that its operation declares.
  const pages = async <T>(id: string, input: Record<string, unknown> = {}) => {
    const all: T[] = [];
    for (let after: string | null | undefined; after !== null; ) {
      const page = (await ask(id, { ...input, limit: 1000, ...(after && { after }) })) as Page<T>;
      all.push(...page.items);
      after = page.next;
    }
    return all;
  };
  const whole = async <T>(id: string) => ((await ask(id, {})) as Page<T>).items;
  const domains = await pages<Current['domains'][number]>('storage-domain.list');
  const images: Current['images'] = [];
  for (const domain of domains.filter(({ kind }) => kind === 'iso')) {
    images.push(...(await pages<z.output<typeof FileOutput>>('iso.list', { domain: domain.id })).map((image) => ({ ...image, domain: domain.name })));
  }
  const vms: Current['vms'] = [];
  for (const { id } of await pages<z.output<typeof VmSummary>>('vm.list')) vms.push((await ask('vm.get', { vm: id })) as Current['vms'][number]);
  const cloudInits: Current['cloudInits'] = {};
  for (const { id, hasCloudInit } of vms) if (hasCloudInit) cloudInits[id] = (await ask('vm.cloud-init', { vm: id })) as Current['cloudInits'][string];
  return {
    cloudInits,
    domains, images, vms,
    host: (await ask('host.settings', { host: 'this' })) as Current['host'],
    certificate: (await ask('host.certificate', { host: 'this' })) as Current['certificate'],
    hostNetwork: (await ask('host-network.get', { host: 'this' })) as Current['hostNetwork'],
    networks: await whole('network.list'),
    signIn: (await ask('sign-in-rules.get', {})) as Current['signIn'],
    history: (await ask('history.get', {})) as Current['history'],
    vmDefaults: (await ask('vm-defaults.get', {})) as Current['vmDefaults'],
    updates: (await ask('update.policy', {})) as Current['updates'],
    destinations: await whole('destination.list'),
    roles: (await whole<Current['roles'][number]>('role.list')).filter(({ isPredefined }) => !isPredefined),
    users: await whole('user.list'),
    groups: await whole('group.list'),
    quotas: await whole('quota.list'),
    access: await whole('assignment.list'),
    templates: await whole('template.list'),
    pools: await whole('pool.list'),
    disks: await pages('disk.list'),
  };
}
