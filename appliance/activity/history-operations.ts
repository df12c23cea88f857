/** The verbs of the history as a whole: how long it is kept and what it takes. Its samples are asked for where the things are. */
import * as z from 'zod';
import { read, write } from '../core/operation.ts';
import type { HistoryWish } from './history-settings.ts';
import type { Samples } from './samples.ts';
import { HistoryOutput, HistorySettingsEdit } from './schema.ts';

export interface HistoryServices {
  history: HistoryWish;
  samples: Samples;
}

const show = ({ history, samples }: HistoryServices): z.input<typeof HistoryOutput> => ({ ...history.wanted(), ...samples.facts() });

export const historyGet = read<HistoryServices>()({
  id: 'history.get', method: 'GET', path: '/history', permission: 'event.read', summary: 'Show how long history is kept, and what it takes',
  input: z.object({}), output: HistoryOutput,
  run: (services) => show(services),
});

export const historyEdit = write<HistoryServices>()({
  id: 'history.edit', method: 'PATCH', path: '/history', permission: 'history.edit', status: 200, summary: 'Change how long history is kept',
  input: HistorySettingsEdit, output: HistoryOutput,
  generation: ({ history }) => history.wanted().generation,
  run(services, tx, changes) {
    services.history.wish(tx, Object.fromEntries(Object.entries(changes).filter(([, value]) => value !== undefined)));
    return show(services);
  },
});

export const historyOperations = [historyGet, historyEdit];
