/** What the verbs and tasks of this slice work with; `update.ts` makes it once. */
import type { Activity } from '../activity/activity.ts';
import type { Core } from '../core/services.ts';
import type { Host } from '../host/host.ts';
import type { Storage } from '../storage/storage.ts';
import type { Vms } from '../vm/vm.ts';
import type { World } from '../world.ts';
import type { TrustedKeys } from './manifest.ts';

export interface UpdateServices extends Core {
  world: Pick<World, 'slots' | 'downloads' | 'hostSettings' | 'siteSources' | 'machine' | 'disk' | 'hypervisor' | 'power'>;
  activity: Pick<Activity, 'event' | 'settle'>;
  host: Pick<Host, 'id' | 'health' | 'guests'>;
  storage: Pick<Storage, 'domains' | 'receiveFile' | 'fileUpload' | 'cancelFileUpload'>;
  vms: Pick<Vms, 'all'>;
  /** Who may make updates for this appliance. */
  keys(): TrustedKeys;
}
