/** The pages of VMs. A fixed address comes before the one with a parameter that would match it. */
import type { AnyPage } from '../page.ts';
import { vmCloudInitPage } from './vm-cloud-init.tsx';
import { vmScreenPage, vmSerialPage } from './vm-console.tsx';
import { vmCreatePage } from './vm-create.tsx';
import { vmDisksPage, vmNicsPage } from './vm-devices.tsx';
import { vmHostDevicesPage } from './vm-host-devices.tsx';
import { vmListPage } from './vm-list.tsx';
import { vmEventsPage, vmOverviewPage, vmSettingsPage } from './vm-page.tsx';
import { vmPeoplePage } from './vm-people.tsx';
import { vmSnapshotsPage } from './vm-snapshots.tsx';

export const vmPages: AnyPage[] = [vmListPage, vmCreatePage, vmOverviewPage, vmDisksPage, vmNicsPage, vmHostDevicesPage, vmSnapshotsPage, vmEventsPage, vmPeoplePage, vmCloudInitPage, vmSettingsPage, vmScreenPage, vmSerialPage];
