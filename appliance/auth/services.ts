/** What the verbs of people work with; `auth.ts` makes it once. */
import type { Core } from '../core/services.ts';
import type { Assignments } from './assignments.ts';
import type { Groups } from './groups.ts';
import type { People } from './people.ts';
import type { Quotas } from './quotas.ts';
import type { RateLimit } from './rate-limit.ts';
import type { RoleBook } from './role-book.ts';
import type { SecondFactors } from './second-factor.ts';
import type { SignIns } from './sign-ins.ts';

export interface AuthServices extends Core {
  people: People;
  roles: RoleBook;
  groups: Groups;
  assignments: Assignments;
  quotas: Quotas;
  signIns: SignIns;
  factors: SecondFactors;
  limit: RateLimit;
  /** What this machine is called, for what must be confirmed by typing it. */
  machineName(): Promise<string>;
}
