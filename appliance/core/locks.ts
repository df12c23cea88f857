/**
 * Ordered locks inside this process: `withLocks([shared('domain', d), exclusive('image', i)], fn)`.
 *
 * One call takes all its locks, sorted by namespace and name, so two callers cannot wait for each other. Calls are never
 * nested. The same lock asked for twice counts once, exclusively if either asks so. Waiters are served in order of
 * arrival. What must hold between machines is a storage lease, not this.
 */
export interface Lock {
  key: string;
  mode: 'shared' | 'exclusive';
}

export const shared = (space: string, name: string): Lock => ({ key: `${space}/${name}`, mode: 'shared' });
export const exclusive = (space: string, name: string): Lock => ({ key: `${space}/${name}`, mode: 'exclusive' });

interface Waiter {
  mode: Lock['mode'];
  enter(): void;
}

interface Held {
  mode: Lock['mode'];
  holders: number;
  queue: Waiter[];
}

export interface Locks {
  /** Runs `work` while all `locks` are held. Rejects with the signal's reason if it aborts while waiting. */
  withLocks<T>(locks: Lock[], work: () => Promise<T>, signal?: AbortSignal): Promise<T>;
  /** Keys held now, for the status page. */
  held(): string[];
}

export function createLocks(): Locks {
  const table = new Map<string, Held>();
  return {
    held: () => [...table.keys()],
    async withLocks(locks, work, signal) {
      const taken: string[] = [];
      try {
        for (const lock of inOrder(locks)) {
          await acquire(table, lock, signal);
          taken.push(lock.key);
        }
        return await work();
      } finally {
        for (const key of taken.reverse()) release(table, key);
      }
    },
  };
}

function inOrder(locks: Lock[]): Lock[] {
  const byKey = new Map<string, Lock>();
  for (const lock of locks) {
    if (byKey.get(lock.key)?.mode !== 'exclusive') byKey.set(lock.key, lock);
  }
  return [...byKey.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
}

function acquire(table: Map<string, Held>, { key, mode }: Lock, signal?: AbortSignal): Promise<void> {
  signal?.throwIfAborted();
  const held = table.get(key);
  if (!held) {
    table.set(key, { mode, holders: 1, queue: [] });
    return Promise.resolve();
  }
  if (held.mode === 'shared' && mode === 'shared' && held.queue.length === 0) {
    held.holders += 1;
    return Promise.resolve();
  }
  return waitInQueue(held, mode, signal);
}

function waitInQueue(held: Held, mode: Lock['mode'], signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const leave = () => {
      held.queue.splice(held.queue.indexOf(waiter), 1);
      admit(held);
      reject(signal?.reason);
    };
    const waiter: Waiter = {
      mode,
      enter: () => {
        signal?.removeEventListener('abort', leave);
        resolve();
      },
    };
    signal?.addEventListener('abort', leave, { once: true });
    held.queue.push(waiter);
  });
}

function release(table: Map<string, Held>, key: string): void {
  const held = table.get(key);
  if (!held) return;
  held.holders -= 1;
  admit(held);
  if (held.holders === 0) table.delete(key);
}

/** Lets in the next waiter, and with a shared one every shared waiter right behind it. */
function admit(held: Held): void {
  for (let next = held.queue[0]; next; next = held.queue[0]) {
    const fits = held.holders === 0 || (held.mode === 'shared' && next.mode === 'shared');
    if (!fits) return;
    held.queue.shift();
    held.mode = next.mode;
    held.holders += 1;
    next.enter();
  }
}
