/** The verbs of the policy: where updates come from, when they are installed without anybody, what lies there. */
import * as z from 'zod';
import { read, write } from '../core/operation.ts';
import type { SlotFacts } from '../world.ts';
import { manifestFault } from './manifest.ts';
import type { PolicyWish } from './policy.ts';
import { UpdatePolicyInput, UpdatePolicyOutput } from './schema.ts';
import type { UpdateServices } from './services.ts';
import type { FoundAtSource, SourceWatch } from './source-watch.ts';

export interface PolicyVerbs extends UpdateServices {
  policy: PolicyWish;
  source: Pick<SourceWatch, 'found' | 'waitsFor' | 'lookSoon'>;
}

function show({ policy, source }: PolicyVerbs, facts: SlotFacts): z.input<typeof UpdatePolicyOutput> {
  const wanted = policy.wanted();
  const found = source.found();
  return { ...wanted, found: found && found.source === wanted.source ? showFound(found, facts) : null, waitsFor: source.waitsFor() ?? null };
}

function showFound({ lookedAt, manifest, fault }: FoundAtSource, facts: SlotFacts) {
  if (!manifest) return { lookedAt, version: null, createdAt: null, fault: fault ?? null };
  return { lookedAt, version: manifest.version, createdAt: Date.parse(manifest.created), fault: manifestFault(manifest, facts)?.detail ?? null };
}

export const updatePolicyGet = read<PolicyVerbs>()({
  id: 'update.policy', method: 'GET', path: '/update/policy', permission: 'update.read',
  summary: 'Show where updates come from, what lies there, and when it is installed',
  input: z.object({}), output: UpdatePolicyOutput,
  run: async (services) => show(services, await services.world.slots.facts()),
});

export const updatePolicyEdit = write<PolicyVerbs>()({
  id: 'update.edit-policy', method: 'PATCH', path: '/update/policy', permission: 'update.install', status: 200,
  summary: 'Change where updates come from and when they are installed',
  input: UpdatePolicyInput, output: UpdatePolicyOutput,
  generation: ({ policy }) => policy.wanted().generation,
  prepare: ({ world }) => world.slots.facts(),
  run(services, tx, changes, facts: SlotFacts) {
    services.policy.wish(tx, Object.fromEntries(Object.entries(changes).filter(([, value]) => value !== undefined)));
    return show(services, facts);
  },
});

export const updateLook = write<PolicyVerbs>()({
  id: 'update.look', method: 'POST', path: '/update/policy/look', permission: 'update.install', status: 204,
  summary: 'Look now at what lies at the address of updates',
  input: z.object({}), output: z.null(),
  run({ source }, tx) {
    tx.afterCommit(() => source.lookSoon());
    return null;
  },
});

export const policyOperations = [updatePolicyGet, updatePolicyEdit, updateLook];
