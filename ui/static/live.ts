/**
 * Keeps the page true: listens to the appliance's change feed and tells the document which kinds of things changed, as
 * events `bothy:vm`, `bothy:task`, ... on the body. Regions of the page listen and fetch themselves again. `bothy:rights`: one may see or do
 * more or less than before.
 *
 * Of all open tabs one holds the connection (a web lock decides) and passes changes on, because a browser allows only six
 * connections to one host. A few changes after a quiet time are told at once, further ones at most every 400 ms,
 * and a hidden tab waits until it is seen. `html[data-live]` is `live` or `lost`.
 *
 * Nothing is missed between a page and the feed: `#page` carries the number in the feed that it was read at (`data-seq`). The
 * connection begins there, and a page that proves older than a change that was heard meanwhile fetches itself again.
 */
type Change = [kind: string, seq: number];
type Message = { changes: Change[] } | { state: 'live' | 'lost' } | { ask: true } | { over: true };

const allKinds = ['vm', 'template', 'pool', 'disk', 'storage-domain', 'iso', 'network', 'task', 'event', 'host', 'user', 'group', 'role', 'assignment', 'sign-in-rules', 'totp', 'token', 'session', 'site-file'];
/** What comes together is told together. */
const quietMs = 4;
/** In the long run a page is told so often; `burst` times at once after a rest, for a verb changes its VM more than once. */
const pauseMs = 400;
const burst = 4;
const graceMs = 2_500;
const retryMs = 2_000;

const channel = new BroadcastChannel('bothy-live');
/** The newest change of each kind that was heard, by its number in the feed. */
const heard = new Map<string, number>();
const waiting = new Set<string>();
let timer: number | undefined;
let credit = burst;
let countedAt = Date.now();
let lostTimer: number | undefined;
let isLeader = false;
let state: 'live' | 'lost' = 'lost';

function receive(message: Message): void {
  if ('changes' in message) {
    for (const [kind, seq] of message.changes) {
      heard.set(kind, Math.max(seq, heard.get(kind) ?? 0));
      waiting.add(kind);
    }
    schedule();
  } else if ('state' in message) {
    show(message.state);
  } else if ('over' in message) {
    location.reload(); // leads to signing in; nothing stays that one may see no longer
  } else if (isLeader) {
    channel.postMessage({ state } satisfies Message);
    channel.postMessage({ changes: [...heard] } satisfies Message);
  }
}

const pageSeq = (): number => Number(document.querySelector<HTMLElement>('#page')?.dataset['seq'] ?? 0);

let compared: { page: Element | null; seq: number } | undefined;

/** Tells, once for each page that came, the kinds that have changed since it was read. */
function compare(): void {
  const [page, seq] = [document.querySelector('#page'), pageSeq()];
  if (compared?.page === page && compared.seq === seq) return;
  compared = { page, seq };
  for (const [kind, last] of heard) if (last > seq) waiting.add(kind);
  schedule();
}

function share(message: Message): void {
  receive(message);
  channel.postMessage(message);
}

function schedule(): void {
  if (timer !== undefined || document.hidden || waiting.size === 0) return;
  credit = Math.min(burst, credit + (Date.now() - countedAt) / pauseMs);
  countedAt = Date.now();
  timer = window.setTimeout(tell, Math.max(quietMs, (1 - credit) * pauseMs));
}

function tell(): void {
  timer = undefined;
  credit -= 1;
  const kinds = [...waiting];
  waiting.clear();
  for (const kind of kinds) document.body.dispatchEvent(new CustomEvent(`bothy:${kind}`));
}

/** A short loss is not shown: a page that blinks is worse than one that is two seconds old. */
function show(next: 'live' | 'lost'): void {
  state = next;
  window.clearTimeout(lostTimer);
  if (next === 'live') document.documentElement.dataset['live'] = 'live';
  else lostTimer = window.setTimeout(() => { document.documentElement.dataset['live'] = 'lost'; }, graceMs);
}

function connect(since: number): void {
  const source = new EventSource(`/api/v1/changes?since=${since}`);
  let last = since;
  source.addEventListener('open', () => share({ state: 'live' }));
  source.addEventListener('change', (event) => {
    const { kind, seq } = JSON.parse(event.data) as { kind: string; seq: number }; // written by the appliance
    last = seq;
    share({ changes: [[kind, seq]] });
  });
  source.addEventListener('resync', ({ lastEventId, data }) => {
    last = Number(lastEventId);
    const { rights } = JSON.parse(data) as { rights?: boolean }; // written by the appliance
    share({ changes: [...allKinds, ...(rights ? ['rights'] : [])].map((kind) => [kind, last]) });
  });
  source.addEventListener('signed-out', () => {
    source.close();
    share({ over: true });
  });
  source.addEventListener('error', () => {
    if (state === 'live') share({ state: 'lost' });
    if (source.readyState === EventSource.CLOSED) window.setTimeout(() => connect(last), retryMs);
  });
}

function lead(): Promise<never> {
  isLeader = true;
  connect(Math.max(pageSeq(), ...heard.values()));
  // Held until this tab goes away; then the next one leads.
  return new Promise<never>(() => {});
}

channel.addEventListener('message', (event) => receive(event.data as Message)); // only this script posts here
channel.postMessage({ ask: true } satisfies Message);
document.addEventListener('visibilitychange', schedule);
document.addEventListener('htmx:after:swap', compare);
if ('locks' in navigator) void navigator.locks.request('bothy-live', lead);
else void lead();

export {};
