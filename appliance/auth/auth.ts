/** The auth slice: who comes in and what they may do. `http.ts` asks it for every request. */
import { hostname } from 'node:os';
import { bind } from '../core/operation.ts';
import type { Core, Slice } from '../core/services.ts';
import { type Access, createAccess } from './access.ts';
import { createAssignments } from './assignments.ts';
import { createGroups } from './groups.ts';
import { authOperations } from './operations.ts';
import { createPeople, type People } from './people.ts';
import { createQuotas, type Quotas } from './quotas.ts';
import { createRateLimit } from './rate-limit.ts';
import { createRoleBook } from './role-book.ts';
import { createSecondFactors } from './second-factor.ts';
import { createSignIns } from './sign-ins.ts';

export interface Auth extends Slice {
  people: People;
  quotas: Pick<Quotas, 'take' | 'onChange'>;
  access: Access;
}

export interface AuthDeps extends Core {
  machineName?: () => Promise<string>;
}

export function createAuth({ machineName = async () => hostname(), ...core }: AuthDeps): Auth {
  const roles = createRoleBook(core);
  const groups = createGroups(core);
  const assignments = createAssignments(core);
  const quotas = createQuotas(core);
  const signIns = createSignIns(core);
  const people = createPeople({ ...core, roles, groups, idleMs: () => signIns.rules().idleMinutes * 60_000 });
  const limit = createRateLimit(() => core.clock.now());
  return { people, quotas, access: createAccess({ people, assignments }), operations: bind({ ...core, people, roles, groups, assignments, quotas, signIns, factors: createSecondFactors(core), limit, machineName }, authOperations) };
}
