/**
 * The history of use: what slices to the right read anyway is taken here as samples, once every ten seconds, and kept in ever coarser steps.
 *
 * One reconciler writes, once a minute, in one transaction. Nothing here polls.
 */
import { join } from 'node:path';
import type { Core } from '../core/services.ts';
import { createRecorder, type Reading, type Recorder } from './recorder.ts';
import { isDamaged, openSampleFile, putAside, type SampleFile, sizeOf } from './sample-file.ts';
import { type Answer, answerSamples, type Question, type Total, totalsOf } from './sample-query.ts';
import type { Retention, SampleKind } from './sample-rules.ts';
import { createSampleStore, type SampleStore } from './sample-store.ts';

export interface Samples {
  /** Takes readings of one moment. Never throws: samples are no reason for anything else to fail. */
  record(readings: Reading[]): void;
  read(question: Question): Answer;
  totals(kind: SampleKind, from: number, to: number): Total[];
  /** What the history occupies, and since when there is any. */
  facts(): { bytes: number; series: number; since: number | null };
  /** Writes what is due at once. */
  write(): void;
  /** The same with room for others in between: adding up an hour of many things takes a while. */
  keepUp(signal: AbortSignal): Promise<void>;
  close(): void;
}

export interface SamplesDeps extends Pick<Core, 'clock' | 'log' | 'statePath'> {
  kept(): Retention;
  /** A file that could not be read was put aside. */
  onLost(): void;
}

interface Open {
  file: SampleFile;
  store: SampleStore;
  recorder: Recorder;
}

export function createSamples({ clock, log, statePath, kept, onLost }: SamplesDeps): Samples {
  const path = join(statePath, 'history.db');
  let open: Open | undefined;
  let isClosed = false;
  const lose = (error: unknown) => {
    log.error('the history of use cannot be read and is begun anew', { error });
    onLost();
  };
  const opened = (): Open => {
    if (isClosed) throw new Error('the history is closed');
    if (!open) {
      const file = openSampleFile(path, lose);
      open = { file, store: createSampleStore(file), recorder: createRecorder() };
    }
    return open;
  };
  /** Damage that only shows in the middle of the work. */
  const guarded = <T>(work: (parts: Open) => T): T => {
    try {
      return work(opened());
    } catch (error) {
      if (!isDamaged(error) || !open) throw error;
      open.file.close();
      open = undefined;
      putAside(path);
      lose(error);
      return work(opened());
    }
  };
  function* steps({ store, recorder }: Open): Generator<void> {
    recorder.release(clock.now(), (frames) => store.writeFrames.immediate(frames));
    yield* store.roll(seconds());
    store.prune.immediate(seconds(), kept());
  }
  const seconds = () => Math.floor(clock.now() / 1000);
  return {
    record(readings) {
      try {
        guarded(({ store, recorder }) => {
          for (const reading of readings) {
            const id = store.seriesOf(reading, seconds());
            if (id !== undefined) recorder.take(id, reading, clock.now());
          }
        });
      } catch (error) {
        if (!isClosed) log.warn('samples were not taken', { error });
      }
    },
    read: (question) => guarded(({ store, recorder }) => answerSamples({ store, recorder, kept: kept(), now: seconds() }, question)),
    totals: (kind, from, to) => guarded(({ store }) => totalsOf({ store }, kind, from, to)),
    facts: () => guarded(({ file }) => {
      const { series, since } = file.prepare('select count(*) as series, min(first) as since from series').get() as { series: number; since: number | null };
      return { bytes: sizeOf(path), series, since: since === null ? null : since * 1000 };
    }),
    write: () => guarded((parts) => { for (const _step of steps(parts)); }),
    async keepUp(signal) {
      const todo = guarded(steps);
      while (!signal.aborted && !isClosed && guarded(() => todo.next()).done !== true) await clock.sleep(1, signal);
    },
    close() {
      if (open) {
        open.recorder.release('all', open.store.writeFrames);
        open.file.close();
      }
      open = undefined;
      isClosed = true;
    },
  };
}
