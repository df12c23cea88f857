/** The slice of the site file: the whole appliance in one file, checked, planned, applied, exported, and found at boot. */
import type { Activity } from '../activity/activity.ts';
import type { Auth } from '../auth/auth.ts';
import { bind } from '../core/operation.ts';
import type { Core, Slice } from '../core/services.ts';
import type { Host } from '../host/host.ts';
import type { Vms } from '../vm/vm.ts';
import type { World } from '../world.ts';
import { applyTask } from './apply-task.ts';
import { createSiteFiles } from './files.ts';
import { reopen } from './look.ts';
import { siteOperations } from './operations.ts';
import { watchForFiles } from './reconcile.ts';
import type { Site } from './schema.ts';
import { openSealingKey } from './sealing-key.ts';
import type { Perform, SiteServices } from './services.ts';

export interface ProvisionDeps extends Core {
  world: Pick<World, 'siteSources' | 'downloads'>;
  activity: Activity;
  host: Pick<Host, 'id' | 'certificates'>;
  people: Auth['people'];
  guestSecrets: Vms['guestSecrets'];
  bringUp: Vms['bringUp'];
  perform: Perform;
}

export interface Provision extends Slice {
  /** Wishes of the applied file that other slices act on. */
  policy(): Pick<Site, 'cluster'>;
}

export function createProvision({ world, activity, host, people, guestSecrets, bringUp, perform, ...core }: ProvisionDeps): Provision {
  const services: SiteServices = {
    ...core, activity, people, guestSecrets, bringUp, perform, hostId: host.id, certificates: host.certificates,
    sources: world.siteSources, downloads: world.downloads, files: createSiteFiles(core), key: openSealingKey(core.statePath),
  };
  core.tasks.define([applyTask(services)]);
  core.reconcilers.add({ name: 'site-file', periodMs: 10_000, run: watchForFiles(services) });
  return {
    operations: bind(services, siteOperations),
    policy() {
      const { cluster } = reopen(services, services.files.current()?.document)?.site ?? {};
      return { cluster };
    },
  };
}
