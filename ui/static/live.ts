/**
 * Keeps the page true: listens to the appliance's change feed and tells the document which kinds of things changed, as
 * events `bothy:vm`, `bothy:task`, ... on the body. Regions of the page listen and fetch themselves again.
 *
 * Of all open tabs one holds the connection (a web lock decides) and passes changes on, because a browser allows only six
 * connections to one host. The first change after a quiet time is told at once, further ones at most every 400 ms,
 * and a hidden tab waits until it is seen. `html[data-live]` is `live` or `lost`.
 */
type Message = { kinds: string[] } | { state: 'live' | 'lost' } | { ask: true };

const allKinds = ['vm', 'disk', 'storage-domain', 'iso', 'network', 'task', 'event', 'host', 'user', 'token'];
const quietMs = 15;
const pauseMs = 400;
const graceMs = 2_500;
const retryMs = 2_000;

const channel = new BroadcastChannel('bothy-live');
const waiting = new Set<string>();
let timer: number | undefined;
let toldAt = 0;
let lostTimer: number | undefined;
let isLeader = false;
let state: 'live' | 'lost' = 'lost';

function receive(message: Message): void {
  if ('kinds' in message) {
    for (const kind of message.kinds) waiting.add(kind);
    schedule();
  } else if ('state' in message) {
    show(message.state);
  } else if (isLeader) {
    channel.postMessage({ state } satisfies Message);
  }
}

function share(message: Message): void {
  receive(message);
  channel.postMessage(message);
}

function schedule(): void {
  if (timer !== undefined || document.hidden || waiting.size === 0) return;
  timer = window.setTimeout(tell, Math.max(quietMs, toldAt + pauseMs - Date.now()));
}

function tell(): void {
  timer = undefined;
  toldAt = Date.now();
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

function connect(isAgain: boolean): void {
  const source = new EventSource('/api/v1/changes');
  let isLate = isAgain;
  source.addEventListener('open', () => {
    share({ state: 'live' });
    if (isLate) share({ kinds: allKinds });
    isLate = false;
  });
  source.addEventListener('change', (event) => {
    const { kind } = JSON.parse(event.data) as { kind: string }; // written by the appliance
    share({ kinds: [kind] });
  });
  source.addEventListener('resync', () => share({ kinds: allKinds }));
  source.addEventListener('error', () => {
    if (state === 'live') share({ state: 'lost' });
    if (source.readyState === EventSource.CLOSED) window.setTimeout(() => connect(true), retryMs);
  });
}

function lead(): Promise<never> {
  isLeader = true;
  connect(false);
  // Held until this tab goes away; then the next one leads.
  return new Promise<never>(() => {});
}

channel.addEventListener('message', (event) => receive(event.data as Message)); // only this script posts here
channel.postMessage({ ask: true } satisfies Message);
document.addEventListener('visibilitychange', schedule);
if ('locks' in navigator) void navigator.locks.request('bothy-live', lead);
else void lead();

export {};
