/** A history that nothing is kept in, for tests of what only writes to it. */
import type { Samples } from '../../appliance/activity/samples.ts';

export const noSamples: Samples = {
  record: () => {},
  read: ({ from, to }) => ({ stepSeconds: 10, from, to, items: [] }),
  totals: () => [],
  facts: () => ({ bytes: 0, series: 0, since: null }),
  write: () => {},
  keepUp: async () => {},
  close: () => {},
};
