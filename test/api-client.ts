/**
 * The API as a program calls it, on any appliance: `api` gives every answer, `must` only a success, `carryOut` waits for a task's end.
 *
 * How a request travels is the caller's: into a rack host in clear, to a box of the lab by TLS. Called by test/real/service.ts and
 * test/lab/box.ts.
 */
import { setTimeout as sleep } from 'node:timers/promises';

export interface Reply<T> {
  status: number;
  headers: Headers;
  body: T;
}

export interface Problem {
  type: string;
  detail: string;
}

export interface Task {
  id: string;
  kind: string;
  state: 'pending' | 'running' | 'unwinding' | 'done' | 'failed' | 'cancelled';
  /** Of all steps, 0 to 1. */
  progress: number;
  problem: Problem | null;
}

export interface Vm {
  id: string;
  name: string;
  state: string;
  reason: string;
  generation: number;
  startedAt: number | null;
  disks: { id: string; name: string; sizeBytes: number; state: string; isPlugged: boolean }[];
  nics: { id: string; mac: string; isPlugged: boolean }[];
  cdrom: string | null;
  explanation: { cause: string; effect: string; nextStep: string } | null;
}

export interface Event {
  code: string;
  severity: string;
  message: string;
  nextStep: string | null;
  about: { kind: string; id: string; name: string }[];
}

/** JSON, or bytes as they are. */
export type Body = Uint8Array | ReadableStream<Uint8Array> | object;

/** Sends one request to a path of the appliance. */
export type Send = (path: string, init: RequestInit) => Promise<Response>;

export interface Pace {
  /** The longest wait, unless told at the call. */
  patienceMs: number;
  /** Between two questions. */
  pollMs: number;
}

export class ApiClient {
  token = '';
  readonly #send: Send;
  readonly #pace: Pace;

  constructor(send: Send, pace: Pace = { patienceMs: 120_000, pollMs: 50 }) {
    this.#send = send;
    this.#pace = pace;
  }

  async api<T = unknown>(method: string, path: string, body?: Body, headers: Record<string, string> = {}): Promise<Reply<T>> {
    const isRaw = body instanceof Uint8Array || body instanceof ReadableStream;
    const response = await this.#send(path.startsWith('/api') || !path.startsWith('/') ? path : `/api/v1${path}`, {
      method,
      headers: {
        connection: 'close',
        ...(this.token && { authorization: `Bearer ${this.token}` }),
        ...(body !== undefined && { 'content-type': isRaw ? 'application/octet-stream' : 'application/json' }),
        ...headers,
      },
      ...(body !== undefined && { body: isRaw ? (body as BodyInit) : JSON.stringify(body), duplex: 'half' }), // both are what fetch sends
    } as RequestInit); // its type does not know `duplex`
    const isJson = /json/.test(response.headers.get('content-type') ?? '');
    const content = isJson ? await response.json() : new Uint8Array(await response.arrayBuffer());
    return { status: response.status, headers: response.headers, body: content as T }; // the caller names the answer of its own request
  }

  /** As `api`, but rejects unless the answer is a success; gives its body. */
  async must<T = unknown>(method: string, path: string, body?: Body, headers?: Record<string, string>): Promise<T> {
    const reply = await this.api<T>(method, path, body, headers);
    if (reply.status < 300) return reply.body;
    throw new Error(`${method} ${path}: ${reply.status} ${JSON.stringify(reply.body)}`);
  }

  /** The task when it has ended. */
  async task(id: string, timeoutMs = this.#pace.patienceMs): Promise<Task> {
    return this.until(`task ${id} ends`, async () => {
      const task = await this.must<Task>('GET', `/tasks/${id}`);
      return ['done', 'failed', 'cancelled'].includes(task.state) && task;
    }, timeoutMs);
  }

  /** Starts a task by a request and waits until it is done; rejects when it ends otherwise. */
  async carryOut(method: string, path: string, body?: Body, headers?: Record<string, string>): Promise<Task> {
    const { id } = await this.must<{ id: string }>(method, path, body, headers);
    const task = await this.task(id);
    if (task.state !== 'done') throw new Error(`${task.kind} ended ${task.state}: ${JSON.stringify(task.problem)}`);
    return task;
  }

  /** Waits until no task is pending or running. */
  async settle(): Promise<void> {
    await this.until('all tasks end', async () => (await this.must<{ items: Task[] }>('GET', '/tasks?state=active')).items.length === 0);
  }

  vm(name: string): Promise<Vm> {
    return this.must<Vm>('GET', `/vms/${name}`);
  }

  vmIs(name: string, state: string, reason?: string, timeoutMs?: number): Promise<Vm> {
    return this.until(`${name} is ${state} ${reason ?? ''}`, async () => {
      const vm = await this.vm(name);
      return vm.state === state && (reason === undefined || vm.reason === reason) && vm;
    }, timeoutMs);
  }

  async events(about: string): Promise<Event[]> {
    return (await this.must<{ items: Event[] }>('GET', `/events?about=${about}`)).items;
  }

  /** Asks until the answer is not false; rejects when time is up. */
  async until<T>(what: string, ask: () => Promise<T | false>, timeoutMs = this.#pace.patienceMs): Promise<T> {
    for (const end = Date.now() + timeoutMs; ; await sleep(this.#pace.pollMs)) {
      const answer = await ask();
      if (answer !== false) return answer;
      if (Date.now() > end) throw new Error(`not within ${timeoutMs} ms: ${what}`);
    }
  }
}
