/**
 * Receives the body of an upload into its file: in order, at flat memory, hashing as it goes.
 *
 * One connection at a time for each target. A connection that has been silent for a while is taken to be broken: the next one
 * goes on in its place. How much of the file has reached the disk is reported every so often and when the connection
 * ends, in whatever way, so that a broken upload goes on from there, also after a power cut. The hash of a broken upload waits
 * in memory to be gone on with, until someone tells that the upload has ended.
 */
import { createHash, type Hash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import type { Clock } from '../core/clock.ts';
import { Problem } from '../core/problem.ts';
import { KiB, MiB } from '../core/units.ts';
import { headerBytes } from './image-header.ts';

const silentAfterMs = 5_000;

export interface Intake {
  target: string;
  uploadId: string;
  path: string;
  startBytes: number;
  /** Size of the whole file, if it is known; more is refused. */
  totalBytes: number | undefined;
  /** The most that the target can hold. */
  limitBytes: number;
  /** Blocks of zeros are left out of the file where they already read as zeros. */
  isSparse: boolean;
  /** Looks at the first bytes as soon as they are there; throws to refuse them. */
  checkHead(head: Uint8Array): void;
  /** So much of the file is safe now. */
  onSafe(receivedBytes: number): void;
  /** How much more may come until this is asked again; rejects to stop. */
  allowance(): Promise<number>;
}

export interface Receiver {
  /** Becomes the one connection of `target`, waiting for a silent one to end; throws `in-use` if another is at work. */
  enter(target: string): Promise<Connection>;
  /** Ends the connection of `target`, if there is one, and waits for it. */
  stop(target: string): Promise<void>;
  /** How much has arrived of an upload that is receiving now. */
  receivedBytes(target: string): number | undefined;
  /** Drops the hash of an upload that has ended, in whatever way. */
  forget(uploadId: string): void;
  /** Uploads of which a hash is kept. */
  hashed(): string[];
}

export interface Connection {
  /** Resolves with the size of the file when the body has ended. */
  receive(body: ReadableStream<Uint8Array> | null, intake: Intake): Promise<number>;
  /** SHA-256 of the whole file, as hexadecimal; reads again what an earlier life of the service received. */
  digest(intake: Pick<Intake, 'uploadId' | 'path'>, sizeBytes: number): Promise<string>;
  leave(): void;
}

interface Live {
  controller: AbortController;
  lastAt: number;
  receivedBytes: number;
  ended: Promise<void>;
  end(): void;
}

interface Running {
  hash: Hash;
  sizeBytes: number;
}

export function createReceiver({ clock }: { clock: Clock }): Receiver {
  const live = new Map<string, Live>();
  const hashes = new Map<string, Running>();

  const stop = async (target: string) => {
    const other = live.get(target);
    other?.controller.abort(new Problem('wrong-state', 'This upload was ended, or goes on over another connection.'));
    await other?.ended;
  };
  return {
    stop,
    receivedBytes: (target) => live.get(target)?.receivedBytes,
    forget: (uploadId) => void hashes.delete(uploadId),
    hashed: () => [...hashes.keys()],
    async enter(target) {
      const other = live.get(target);
      if (other && clock.now() - other.lastAt < silentAfterMs) throw new Problem('in-use', 'This is being uploaded right now over another connection. Wait until it ends.');
      const mine = newLive(clock.now());
      live.set(target, mine);
      other?.controller.abort(new Problem('wrong-state', 'This upload goes on over another connection. Watch it there.'));
      await other?.ended;
      return {
        receive: (body, intake) => receive(body, intake, { live: mine, hashes, clock }),
        digest: async ({ uploadId, path }, sizeBytes) => {
          const running = await hashUpTo(hashes.get(uploadId), path, sizeBytes);
          hashes.delete(uploadId);
          return running.hash.digest('hex');
        },
        leave() {
          if (live.get(target) === mine) live.delete(target);
          mine.end();
        },
      };
    },
  };
}

function newLive(lastAt: number): Live {
  let end: () => void = () => {};
  const ended = new Promise<void>((resolve) => { end = resolve; });
  return { controller: new AbortController(), lastAt, receivedBytes: 0, ended, end };
}

interface Parts {
  live: Live;
  hashes: Map<string, Running>;
  clock: Clock;
}

async function receive(body: ReadableStream<Uint8Array> | null, intake: Intake, parts: Parts): Promise<number> {
  parts.live.receivedBytes = intake.startBytes;
  const running = await hashUpTo(parts.hashes.get(intake.uploadId), intake.path, intake.startBytes);
  parts.hashes.set(intake.uploadId, running);
  const file = await open(intake.path, 'r+');
  try {
    await pump(body, file, { intake, running, parts });
  } finally {
    await settle(file, intake, parts.live.receivedBytes);
  }
  return parts.live.receivedBytes;
}

interface Pump {
  intake: Intake;
  running: Running;
  parts: Parts;
}

async function pump(body: ReadableStream<Uint8Array> | null, file: FileHandle, { intake, running, parts: { live, clock } }: Pump): Promise<void> {
  const { signal } = live.controller;
  const reader = body?.getReader();
  const onAbort = () => void reader?.cancel(signal.reason).catch(() => {});
  signal.addEventListener('abort', onAbort, { once: true });
  let isChecked = intake.startBytes >= headerBytes;
  try {
    let syncAtBytes = intake.startBytes + (await intake.allowance());
    for (;;) {
      const { value: chunk, done } = (await reader?.read()) ?? { done: true, value: undefined };
      signal.throwIfAborted();
      if (done || !chunk) return;
      requireFits(intake, live.receivedBytes + chunk.length);
      await writeBlocks(file, chunk, live.receivedBytes, intake.isSparse);
      running.hash.update(chunk);
      running.sizeBytes += chunk.length;
      live.receivedBytes += chunk.length;
      live.lastAt = clock.now();
      if (!isChecked && live.receivedBytes >= headerBytes) {
        intake.checkHead(await readHead(file, live.receivedBytes));
        isChecked = true;
      }
      if (live.receivedBytes >= syncAtBytes) {
        await file.datasync();
        intake.onSafe(live.receivedBytes);
        syncAtBytes = live.receivedBytes + (await intake.allowance());
      }
    }
  } finally {
    signal.removeEventListener('abort', onAbort);
    await reader?.cancel().catch(() => {});
  }
}

function requireFits({ totalBytes, limitBytes }: Intake, sizeBytes: number): void {
  if (totalBytes !== undefined && sizeBytes > totalBytes) throw new Problem('invalid-input', `More arrives than the ${totalBytes} bytes that were announced. Start the upload again.`);
  if (sizeBytes > limitBytes) throw new Problem('too-large', `The file is larger than the ${limitBytes} bytes that fit there. Make room, or choose a smaller one.`);
}

async function writeBlocks(file: FileHandle, chunk: Uint8Array, at: number, isSparse: boolean): Promise<void> {
  for (let done = 0; done < chunk.length; ) {
    const block = chunk.subarray(done, done + zeros.length);
    const isHole = isSparse && zeros.compare(block, 0, block.length, 0, block.length) === 0;
    done += isHole ? block.length : (await file.write(block, 0, block.length, at + done)).bytesWritten;
  }
}

/** What was skipped as zeros at the end belongs to the file too. */
async function settle(file: FileHandle, { onSafe }: Intake, receivedBytes: number): Promise<void> {
  try {
    if ((await file.stat()).size < receivedBytes) await file.truncate(receivedBytes);
    await file.datasync();
    onSafe(receivedBytes);
  } finally {
    await file.close();
  }
}

/** The first `headerBytes` of a file that is `sizeBytes` long, or all of it. */
export async function readHead(file: FileHandle, sizeBytes: number): Promise<Uint8Array> {
  const head = new Uint8Array(Math.min(headerBytes, sizeBytes));
  await file.read(head, 0, head.length, 0);
  return head;
}

const zeros = Buffer.alloc(64 * KiB);

/** A hash of the first `sizeBytes` of the file: `known` if that is it, else read anew. */
async function hashUpTo(known: Running | undefined, path: string, sizeBytes: number): Promise<Running> {
  if (known?.sizeBytes === sizeBytes) return known;
  const hash = createHash('sha256');
  if (sizeBytes > 0) {
    const file = await open(path, 'r');
    for await (const chunk of file.createReadStream({ end: sizeBytes - 1, highWaterMark: MiB })) hash.update(chunk);
  }
  return { hash, sizeBytes };
}
