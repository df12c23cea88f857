/**
 * The monitor of a QEMU (QMP): commands with their answers, and what it tells by itself, such as a reset.
 *
 * One connection for the life of the machine. Called by machine.ts.
 */
import { createConnection, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';

export interface MachineEvent {
  /** Such as RESET, SHUTDOWN, WATCHDOG. */
  name: string;
  data: Record<string, unknown>;
  at: number;
}

interface Message {
  QMP?: unknown;
  event?: string;
  data?: Record<string, unknown>;
  return?: unknown;
  error?: { desc: string };
  id?: number;
}

interface Waiting {
  resolve: (value: unknown) => void;
  reject: (error: Error) => void;
}

/** Waits for the socket, which QEMU makes soon after its start. */
export async function openMonitor(path: string, timeoutMs = 20_000): Promise<Monitor> {
  for (const end = Date.now() + timeoutMs; ; await sleep(50)) {
    const socket = await connect(path);
    if (socket) {
      const monitor = new Monitor(socket);
      await monitor.command('qmp_capabilities');
      return monitor;
    }
    if (Date.now() > end) throw new Error(`QEMU made no monitor at ${path}`);
  }
}

function connect(path: string): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const socket = createConnection(path);
    socket.once('connect', () => resolve(socket));
    socket.once('error', () => resolve(undefined));
  });
}

export class Monitor {
  readonly events: MachineEvent[] = [];
  readonly #socket: Socket;
  readonly #waiting = new Map<number, Waiting>();
  #count = 0;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('error', () => {}); // its end tells
    socket.on('close', () => this.#end());
    // It hands on the socket's errors, such as the reset by a QEMU that was killed.
    createInterface({ input: socket }).on('error', () => {}).on('line', (line) => this.#take(JSON.parse(line)));
  }

  command<T = unknown>(execute: string, parameters: object = {}): Promise<T> {
    const id = ++this.#count;
    return new Promise<T>((resolve, reject) => {
      if (this.#socket.destroyed) return reject(new Error(`${execute}: the machine is off`));
      this.#waiting.set(id, { resolve: resolve as (value: unknown) => void, reject }); // the caller names the answer of its own command
      this.#socket.write(`${JSON.stringify({ execute, arguments: parameters, id })}\n`);
    });
  }

  /** The first event that matches, past or future. */
  async until(matches: (event: MachineEvent) => boolean, timeoutMs: number): Promise<MachineEvent> {
    for (const end = Date.now() + timeoutMs; ; await sleep(100)) {
      const event = this.events.find(matches);
      if (event) return event;
      if (Date.now() > end) throw new Error(`the machine did not tell it within ${timeoutMs} ms; it told ${this.events.map(({ name }) => name)}`);
    }
  }

  close(): void {
    this.#socket.destroy();
  }

  #take(message: Message): void {
    if (message.event) this.events.push({ name: message.event, data: message.data ?? {}, at: Date.now() });
    const waiting = message.id === undefined ? undefined : this.#waiting.get(message.id);
    if (!waiting || message.id === undefined) return;
    this.#waiting.delete(message.id);
    if (message.error) waiting.reject(new Error(message.error.desc));
    else waiting.resolve(message.return);
  }

  #end(): void {
    for (const { reject } of this.#waiting.values()) reject(new Error('the machine went off'));
    this.#waiting.clear();
  }
}
