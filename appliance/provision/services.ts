/** What the verbs, the task and the reconciler of the site file work with; `provision.ts` makes it once. */
import type { Activity } from '../activity/activity.ts';
import type { Auth } from '../auth/auth.ts';
import type { Core } from '../core/services.ts';
import type { Certificates } from '../host/certificates.ts';
import type { Vms } from '../vm/vm.ts';
import type { Downloads, SiteSources } from '../world.ts';
import type { SiteFiles } from './files.ts';
import type { SealingKey } from './sealing-key.ts';

export interface Performer {
  /** Whose name journal and audit trail get. */
  actor: string;
  requestId: string;
  signal: AbortSignal;
}

/** The operations of the slices to the left, as `http/perform.ts` carries them out. */
export interface Perform {
  /** Runs an operation by its id; gives its answer and the task that it started. */
  run(id: string, input: Record<string, unknown>, by: Performer): Promise<{ body: unknown; task?: string | undefined }>;
  /** Sends bytes to an operation that takes them. */
  send(id: string, input: Record<string, unknown>, by: Performer, request: Request): Promise<Response>;
}

export interface SiteServices extends Core {
  activity: Pick<Activity, 'event' | 'settle' | 'destinations'>;
  people: Auth['people'];
  guestSecrets: Vms['guestSecrets'];
  bringUp: Vms['bringUp'];
  perform: Perform;
  sources: SiteSources;
  downloads: Downloads;
  files: SiteFiles;
  key: SealingKey;
  hostId: string;
  certificates: Pick<Certificates, 'current'>;
}
