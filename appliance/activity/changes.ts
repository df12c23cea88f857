/**
 * The change feed as server-sent events.
 *
 *   id: 42                                     first, without data: the number to resume after
 *   event: change   id: 43   data: {"seq":43,"kind":"vm","id":"…","what":"updated"}
 *   event: resync   id: 99   data: {}          the feed no longer reaches back: read everything anew
 *   event: resync   id: 99   data: {"rights":true}   the reader may see or do more or less than before: read everything anew
 *   event: signed-out   data: {}               the session or token has ended, and the stream with it
 *   : beat                                     every 15 s
 *
 * Nothing is queued for a reader: it pulls, and each pull reads the feed from the number that it was last given. So a
 * slow reader costs no memory, and gets many changes of one thing as one. Who reads is asked again whenever somebody's rights or sessions
 * change, and with every beat, for sessions that end by themselves. A stream ends after a quarter of an hour; browsers come back by
 * themselves.
 */
import type { Clock } from '../core/clock.ts';
import { rightsKinds } from '../auth/rights-watch.ts';
import type { Change, Journal } from '../core/journal.ts';
import type { Reader } from './reader.ts';
import { coalesce } from './rules.ts';

const beatMs = 15_000;
/** Between two batches, so that a burst becomes one. */
const gatherMs = 40;
const longestMs = 900_000;

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
      if (!alarm.isClosed()) unsubscribe ??= feed.journal.subscribe((change) => { if (rightsKinds.has(change.kind) || reader.isSeen(change)) alarm.ring(); });
      const { value, done } = await parts.next();
      if (!done) return controller.enqueue(encoder.encode(value));
      stop();
      controller.close();
    },
    cancel: stop,
  }, { highWaterMark: 0 });
}

async function* writeFeed({ journal, clock }: Feed, reader: Reader, alarm: Alarm): AsyncGenerator<string, void> {
  const endsAt = clock.now() + longestMs;
  let last = reader.since ?? journal.latest();
  let isFirst = true;
  yield `retry: 500\nid: ${last}\n\n`;
  while (!alarm.isClosed() && clock.now() < endsAt) {
    const changes = journal.since(last);
    last = changes ? (changes.at(-1)?.seq ?? last) : journal.latest();
    const rights = judgeRights(reader, changes, isFirst);
    if (rights === 'gone') return yield 'event: signed-out\ndata: {}\n\n';
    const told = formatChanges(coalesce(changes?.filter(reader.isSeen) ?? []));
    const text = changes && rights === 'same' ? told : `${told}${formatResync(last, rights)}`;
    isFirst = false;
    if (text) {
      yield text;
      await alarm.pause(gatherMs);
    } else if (await alarm.wait(beatMs) === 'late') {
      yield ': beat\n\n';
    }
  }
}

type Rights = ReturnType<Reader['look']>;

/** Not for each of many changes, but for each that could matter, and once in a while. A page that is older than such a change was read with other rights. */
function judgeRights(reader: Reader, changes: Change[] | undefined, isFirst: boolean): Rights {
  const mayMatter = changes?.some(({ kind }) => rightsKinds.has(kind)) ?? true;
  if (!mayMatter && changes && changes.length > 0) return 'same';
  const rights = reader.look();
  return rights === 'same' && isFirst && changes && mayMatter ? 'otherwise' : rights;
}

const formatResync = (last: number, rights: Rights) => `event: resync\nid: ${last}\ndata: ${rights === 'otherwise' ? '{"rights":true}' : '{}'}\n\n`;

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
