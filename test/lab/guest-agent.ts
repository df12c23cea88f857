/**
 * Commands as root inside a running box, over QEMU's guest agent: a channel that needs neither network nor password.
 *
 * Each command has a connection of its own, for a box that starts anew leaves the other end of an old one in the air. What is
 * sent before the agent is there is read by the firmware, which drives such ports too, or waits; so numbers that nobody used
 * before are sent again and again, and a command only after one of them came back. Called by box.ts.
 */
import { randomInt } from 'node:crypto';
import { createConnection, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { RunResult } from '../process.ts';

interface ExecStatus {
  exited: boolean;
  exitcode?: number;
  'out-data'?: string;
  'err-data'?: string;
}

interface Answer {
  return?: unknown;
  error?: { desc: string };
}

/** How long an answer to a greeting is waited for before the next is sent. */
const greetingMs = 3_000;
/** Between two questions whether a command has ended: each costs the box a line in its journal, too. */
const longestPauseMs = 1_600;

export class GuestAgent {
  readonly #path: string;
  #last: Promise<unknown> = Promise.resolve();

  constructor(path: string) {
    this.#path = path;
  }

  /** Runs a line of shell; rejects when the agent is silent or time is up. One command at a time, as the agent can do. */
  shell(line: string, timeoutMs = 60_000): Promise<RunResult> {
    const next = this.#last.then(() => this.#run(line, timeoutMs));
    this.#last = next.catch(() => {});
    return next;
  }

  async #run(line: string, timeoutMs: number): Promise<RunResult> {
    const talk = new Talk(createConnection(this.#path), Date.now() + timeoutMs);
    try {
      await talk.greet();
      const { pid } = await talk.ask<{ pid: number }>('guest-exec', { path: '/bin/sh', arg: ['-c', line], 'capture-output': true });
      for (let pauseMs = 100; ; pauseMs = Math.min(pauseMs * 2, longestPauseMs)) {
        const status = await talk.ask<ExecStatus>('guest-exec-status', { pid });
        if (status.exited) return { code: status.exitcode ?? -1, stdout: decode(status['out-data']), stderr: decode(status['err-data']) };
        await sleep(pauseMs);
      }
    } catch (cause) {
      throw new Error(`in the box: ${line}: ${cause instanceof Error ? cause.message : cause}`);
    } finally {
      talk.end();
    }
  }
}

function decode(text = ''): string {
  return Buffer.from(text, 'base64').toString();
}

/** One connection to the agent. */
class Talk {
  readonly #socket: Socket;
  readonly #deadline: number;
  readonly #answers: Answer[] = [];
  #text = '';
  #problem = '';
  #wake = () => {};

  constructor(socket: Socket, deadline: number) {
    this.#socket = socket;
    this.#deadline = deadline;
    socket.on('data', (data: Buffer) => this.#take(data));
    socket.on('error', (error) => { this.#problem = error.message; });
    socket.on('close', () => {
      this.#problem ||= 'the channel closed';
      this.#wake();
    });
  }

  /** Empties the channel of what an earlier talk left in it. */
  async greet(): Promise<void> {
    for (;;) {
      const id = randomInt(1, 2 ** 31);
      this.#socket.write(Buffer.concat([Buffer.from([0xff]), Buffer.from(`${JSON.stringify({ execute: 'guest-sync-delimited', arguments: { id } })}\n`)]));
      for (const end = Date.now() + greetingMs; Date.now() < end;) {
        const answer = await this.#next(end);
        if (answer?.return === id) return;
      }
    }
  }

  async ask<T>(execute: string, parameters: object): Promise<T> {
    this.#socket.write(`${JSON.stringify({ execute, arguments: parameters })}\n`);
    const answer = await this.#next(this.#deadline);
    if (!answer) throw new Error('the agent did not answer in time');
    if (answer.error) throw new Error(answer.error.desc);
    return answer.return as T; // the caller names the answer of its own question
  }

  end(): void {
    this.#socket.destroy();
  }

  #take(data: Buffer): void {
    const lines = (this.#text + data.toString('latin1')).split('\n');
    this.#text = lines.pop() ?? '';
    for (const line of lines) {
      const start = line.lastIndexOf('\u00ff') + 1;
      if (line.length > start) this.#answers.push(JSON.parse(line.slice(start)));
    }
    this.#wake();
  }

  /** `undefined` at `end`; rejects when the whole time is up. */
  async #next(end: number): Promise<Answer | undefined> {
    for (;;) {
      const answer = this.#answers.shift();
      if (answer) return answer;
      if (this.#problem) throw new Error(this.#problem);
      if (Date.now() >= this.#deadline) throw new Error('the agent did not answer in time');
      const left = Math.min(end, this.#deadline) - Date.now();
      if (left <= 0) return undefined;
      await Promise.race([new Promise<void>((resolve) => { this.#wake = resolve; }), sleep(left, undefined, { ref: false })]);
    }
  }
}
