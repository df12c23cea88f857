/** What the verbs of people work with; `auth.ts` makes it once. */
import type { Core } from '../core/services.ts';
import type { People } from './people.ts';
import type { RateLimit } from './rate-limit.ts';

export interface AuthServices extends Core {
  people: People;
  limit: RateLimit;
  /** What this machine is called, for what must be confirmed by typing it. */
  machineName(): Promise<string>;
}
