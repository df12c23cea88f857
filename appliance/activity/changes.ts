/**
 * The change feed as server-sent events.
 *
 *   id: 42                                     first, without data: the number to resume after
 *   event: change   id: 43   data: {"seq":43,"kind":"vm","id":"…","what":"updated"}
 *   event: resync   id: 99   data: {}          the feed no longer reaches back: read everything anew
 *   : beat                                     every 15 s
 *
 * Nothing is queued for a reader: it pulls, and each pull reads the feed from the number that it was last given. So a
 * slow reader costs no memory, and gets many changes of one thing as one. A stream ends after a quarter of an hour, so that
 * a reader whose session has ended meanwhile is asked again who it is; browsers come back by themselves.
 */
import type { Clock } from '../core/clock.ts';
import type { Sql } from '../core/db.ts';
import type { Change, Journal } from '../core/journal.ts';
import type { Actor } from '../core/operation.ts';
import { maySee } from './lists.ts';
import { coalesce, permissionToSee } from './rules.ts';

const beatMs = 15_000;
/** Between two batches, so that a burst becomes one. */
const gatherMs = 40;
const longestMs = 900_000;

export interface Reader {
  /** Last number seen; undefined for a reader that starts now. */
  since: number | undefined;
  /** Whether the reader may know of it. */
  isSeen(change: Change): boolean;
  signal: AbortSignal;
}

interface Feed {
  journal: Journal;
  clock: Clock;
}

export function streamChanges(feed: Feed, reader: Reader): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  const alarm = createAlarm(feed.clock);
  let unsubscribe: (() => void) | undefined;
  const stop = () => {
    unsubscribe?.();
    alarm.close();
    reader.signal.removeEventListener('abort', stop);
  };
  reader.signal.addEventListener('abort', stop, { once: true });
  if (reader.signal.aborted) stop();
  const parts = writeFeed(feed, reader, alarm);
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      // Only now: the body of an answer to HEAD is dropped without a word.
      if (!alarm.isClosed()) unsubscribe ??= feed.journal.subscribe((change) => { if (reader.isSeen(change)) alarm.ring(); });
      const { value, done } = await parts.next();
      if (!done) return controller.enqueue(encoder.encode(value));
      stop();
      controller.close();
    },
    cancel: stop,
  }, { highWaterMark: 0 });
}

/** What is deleted can no longer be asked about, and its id says nothing: who sees some such things learns of it. */
export function seesChange(db: Sql, actor: Actor, { kind, id, what }: Change): boolean {
  const permission = permissionToSee(kind);
  if (actor.permissions.has(permission)) return true;
  if (!actor.reach.somewhere(permission)) return false;
  if (kind === 'task' || kind === 'event') return maySee(db, actor, { kind, id }, `${kind}.read`);
  return what === 'deleted' || actor.reach.on(permission, { kind, id });
}

async function* writeFeed({ journal, clock }: Feed, reader: Reader, alarm: Alarm): AsyncGenerator<string, void> {
  const endsAt = clock.now() + longestMs;
  let last = reader.since ?? journal.latest();
  yield `retry: 500\nid: ${last}\n\n`;
  while (!alarm.isClosed() && clock.now() < endsAt) {
    const changes = journal.since(last);
    last = changes ? (changes.at(-1)?.seq ?? last) : journal.latest();
    const text = changes ? formatChanges(coalesce(changes.filter(reader.isSeen))) : `event: resync\nid: ${last}\ndata: {}\n\n`;
    if (text) {
      yield text;
      await alarm.pause(gatherMs);
    } else if (await alarm.wait(beatMs) === 'late') {
      yield ': beat\n\n';
    }
  }
}

function formatChanges(changes: Change[]): string {
  return changes.map(({ seq, kind, id, what }) => `event: change\nid: ${seq}\ndata: ${JSON.stringify({ seq, kind, id, what })}\n\n`).join('');
}

type Alarm = ReturnType<typeof createAlarm>;

/** Waits that a ring or the end cuts short. A ring that nobody waits for is kept for the next wait. */
function createAlarm(clock: Clock) {
  let isRinging = false;
  let isClosed = false;
  let waiting: AbortController | undefined;
  const sleep = async (ms: number) => {
    waiting = new AbortController();
    await clock.sleep(ms, waiting.signal).catch(() => {});
    waiting = undefined;
  };
  return {
    isClosed: () => isClosed,
    ring() {
      isRinging = true;
      waiting?.abort();
    },
    close() {
      isClosed = true;
      waiting?.abort();
    },
    /** `late`: nothing rang within `ms`. */
    async wait(ms: number): Promise<'rung' | 'late'> {
      if (!isRinging && !isClosed) await sleep(ms);
      const verdict = isRinging || isClosed ? 'rung' : 'late';
      isRinging = false;
      return verdict;
    },
    /** Sleeps through rings. */
    async pause(ms: number): Promise<void> {
      const endsAt = clock.now() + ms;
      while (!isClosed && clock.now() < endsAt) await sleep(endsAt - clock.now());
    },
  };
}
