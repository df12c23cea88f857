/** What the verbs, tasks and reconcilers of this slice work with; `storage.ts` makes it once. */
import type { Activity } from '../activity/activity.ts';
import type { Auth } from '../auth/auth.ts';
import type { Core } from '../core/services.ts';
import type { World } from '../world.ts';
import type { Disks } from './disks.ts';
import type { Domains } from './domains.ts';
import type { Isos } from './isos.ts';
import type { Layers } from './layers.ts';
import type { Readers } from './readers.ts';
import type { Receiver } from './receiver.ts';
import type { Space } from './space.ts';
import type { Uploads } from './uploads.ts';
import type { StorageUsers } from './users.ts';

export interface StorageServices extends Core {
  imageTool: World['imageTool'];
  activity: Pick<Activity, 'event' | 'settle' | 'samples'>;
  quotas: Pick<Auth['quotas'], 'take'>;
  domains: Domains;
  disks: Disks;
  layers: Layers;
  isos: Isos;
  space: Space;
  uploads: Uploads;
  receiver: Receiver;
  readers: Readers;
  /** Who uses what, as the slices to the right say. */
  users: StorageUsers;
}
