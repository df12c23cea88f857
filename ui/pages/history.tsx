/** How long history is kept, and what it takes. */
import { historyEdit, historyGet } from '../../appliance/activity/history-operations.ts';
import { Form } from '../form.tsx';
import { formatBytes, Time } from '../format.tsx';
import { type AnyPage, definePage } from '../page.ts';
import { Facts, PageHead, Panel } from '../section.tsx';
import { EventTabs } from './event.tsx';

const historyPage = definePage({
  path: '/events/settings', live: ['history'], offers: historyEdit,
  load: ({ read }) => read(historyGet, {}),
  title: (_data, { t }) => t('history.settings'),
  view: (history, { t }) => (
    <>
      <PageHead title={t('nav.events')} lead={t('history.lead')} />
      <EventTabs />
      <div class="stack">
        <Panel title={t('history.kept')}>
          <Facts items={[
            [t('history.size'), t('history.sizeText', { size: formatBytes(history.bytes), count: history.series })],
            [t('history.since'), history.since !== null && <Time at={history.since} as="clock" />],
          ]} />
        </Panel>
        <div id="history-form" hx-morph-skip="">
          <Form operation={historyEdit} id="history" values={{ ...history }} generation={history.generation} submit={t('word.save')} sections={[
            { title: t('history.use'), icon: 'clock', help: t('history.useHelp'), fields: ['slotHours', 'minuteDays', 'hourDays', 'dayYears'] },
            { title: t('history.told'), icon: 'events', fields: ['eventDays', 'mostEvents', 'auditDays', 'configDays', 'mostConfigChanges'] },
          ]} />
        </div>
      </div>
    </>
  ),
});

export const historyPages: AnyPage[] = [historyPage];
