/** Every page, for `app.ts`. */
import type { AnyPage } from '../page.ts';
import { authPages } from './auth.tsx';
import { carryPages } from './vm-carry.tsx';
import { configPages } from './config-changes.tsx';
import { destinationPages } from './destination.tsx';
import { eventPages } from './event.tsx';
import { historyPages } from './history.tsx';
import { hostPages } from './host.tsx';
import { networkPages } from './network.tsx';
import { overviewPages } from './overview.tsx';
import { peoplePages } from './people.tsx';
import { poolPages } from './pool.tsx';
import { quotaPages } from './quotas.tsx';
import { reportPages } from './report.tsx';
import { sharePages } from './share.tsx';
import { sitePages } from './site.tsx';
import { storagePages } from './storage.tsx';
import { taskPages } from './task.tsx';
import { templatePages } from './template.tsx';
import { updatePages } from './update.tsx';
import { usePages } from './use.tsx';
import { vmPages } from './vm.tsx';

export const pages: AnyPage[] = [...overviewPages, ...vmPages, ...carryPages, ...templatePages, ...poolPages, ...storagePages, ...usePages, ...networkPages, ...hostPages, ...peoplePages, ...quotaPages, ...sharePages, ...sitePages, ...updatePages, ...taskPages, ...eventPages, ...destinationPages, ...historyPages, ...configPages, ...reportPages, ...authPages];
