/**
 * A box that takes updates: set up, with signed bundles at hand, its health gate as it is shipped but for its patience.
 *
 * `write` makes records that the box acknowledges; `expectWrites` sees that every one of them is there, whatever happened meanwhile.
 * Bundles are uploaded in pieces over the API, as by an administrator: under emulation that is three times as fast as a stick and the
 * box's own command line.
 * Called by the tests of updates.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import * as assert from 'uvu/assert';
import type { Problem, Task } from '../api-client.ts';
import { type Box, openReadyBox } from './box.ts';
import { labImage, type LabImage } from './image.ts';
import { type Variant, variantBundle } from './variant.ts';

export interface Update {
  running: string;
  next: string | null;
  previous: string | null;
  slots: { version: string; state: string }[];
  task: string | null;
  isOnTrial: boolean;
  last: { to: string; result: string; reasons: string[] } | null;
}

/** An installation, a restart and a trial: half an hour on a quiet machine at most. */
const switchMs = 3_600_000;
/** A request of an upload; each question costs the box a TLS handshake, so there are few. */
const [pieceBytes, pollMs] = [32 << 20, 10_000];

interface Answer {
  status: number;
  body: Problem & { id: string };
}

export interface UpdateBoxOptions {
  /** By the name that `install` takes. */
  bundles: Record<string, Variant>;
  /** How long the gate waits for a version that is not well yet. */
  gateSeconds?: number;
}

export async function openUpdateBox({ bundles, gateSeconds = 840 }: UpdateBoxOptions): Promise<UpdateBox> {
  const image = await labImage();
  const paths = new Map<string, string>();
  for (const [name, wish] of Object.entries(bundles)) paths.set(name, await variantBundle(image, wish));
  const box = await openReadyBox({ image, isGated: true, isSetUp: true });
  try {
    const made = new UpdateBox(box, image, paths);
    await made.setGate(gateSeconds);
    return made;
  } catch (error) {
    await box.close();
    throw error;
  }
}

export class UpdateBox {
  readonly box: Box;
  readonly image: LabImage;
  /** Where the bundles lie on this machine. */
  readonly bundles: ReadonlyMap<string, string>;
  #attempts = 0;
  readonly #acknowledged: string[] = [];

  constructor(box: Box, image: LabImage, bundles: ReadonlyMap<string, string>) {
    this.box = box;
    this.image = image;
    this.bundles = bundles;
  }

  /** From the next start on. */
  async setGate(seconds: number): Promise<void> {
    await this.box.inside(`echo BOTHY_GATE_SECONDS=${seconds} >/etc/default/bothy; sync -f /etc/default/bothy`);
  }

  update(): Promise<Update> {
    return this.box.must<Update>('GET', '/update');
  }

  async stateOf(version: string): Promise<string | undefined> {
    return (await this.update()).slots.find((slot) => slot.version === version)?.state;
  }

  /** A write; none that the box acknowledges may be lost. Gives `written`, why it takes none now, or `silent`. */
  async write(): Promise<string> {
    const name = `vm-${++this.#attempts}`; // without an answer it may be there or not
    const reply = await this.box.api<Problem>('POST', '/vms', { name, vcpus: 1, memoryBytes: 64 << 20, disks: [], nics: [] }).catch(() => undefined);
    if (!reply) return 'silent';
    if (reply.status === 503) return reply.body.detail;
    if (reply.status !== 201) throw new Error(`${name}: ${reply.status} ${JSON.stringify(reply.body)}`);
    this.#acknowledged.push(name);
    return 'written';
  }

  async expectWrites(): Promise<void> {
    const { items } = await this.box.must<{ items: { name: string }[] }>('GET', '/vms');
    const names = new Set(items.map(({ name }) => name));
    assert.equal(this.#acknowledged.filter((name) => !names.has(name)), []);
  }

  /** Uploads and installs a bundle of that name, or these bytes; gives `Done`, or why not. */
  async install(bundle: string | Uint8Array, options = ''): Promise<string> {
    const { status, body } = await (typeof bundle === 'string' ? this.#uploadFile(this.bundles.get(bundle) ?? '', options) : this.#uploadPiece(bundle, [0, bundle.length], options));
    if (status !== 202) return body.detail;
    for (;; await sleep(pollMs)) {
      const task = await this.box.must<Task>('GET', `/tasks/${body.id}`);
      if (task.state === 'done') return 'Done';
      if (task.state === 'failed' || task.state === 'cancelled') return task.problem?.detail ?? task.state;
    }
  }

  async #uploadFile(path: string, options: string): Promise<Answer> {
    const file = openSync(path, 'r');
    try {
      const { size } = fstatSync(file);
      for (let at = 0; ; at += pieceBytes) {
        const piece = Buffer.alloc(Math.min(pieceBytes, size - at));
        readSync(file, piece, 0, piece.length, at);
        const answer = await this.#uploadPiece(piece, [at, size], options);
        if (answer.status !== 200) return answer;
      }
    } finally {
      closeSync(file);
    }
  }

  #uploadPiece(piece: Uint8Array, [at, total]: readonly [number, number], options: string): Promise<Answer> {
    const headers = { 'content-length': String(piece.length), 'content-range': `bytes ${at}-${at + piece.length - 1}/${total}` };
    return this.box.api<Answer['body']>('PUT', `/update/bundle${options}`, piece, headers);
  }

  /** Switches to what is installed, and waits until it is decided and told. */
  async switchTo(version: string): Promise<NonNullable<Update['last']>> {
    await this.box.must('POST', '/update/switch', { shutdownSeconds: 60 });
    return this.decided(version);
  }

  /** After `last` it has come back and told why, in the events too; nothing acknowledged is lost. */
  async expectReturn(version: string, { result, reasons }: NonNullable<Update['last']>, why: RegExp): Promise<void> {
    assert.is(result, 'failed');
    assert.match(reasons.join(), why, `it returned because: ${reasons.join(' ')}`);
    assert.is((await this.update()).running, this.image.version);
    assert.is(await this.stateOf(version), 'bad');
    const { items } = await this.box.must<{ items: { code: string; message: string }[] }>('GET', '/events');
    assert.match(items.find(({ code, message }) => code === 'update.failed' && message.includes(version))?.message ?? '', why);
    await this.expectWrites();
  }

  async decided(version: string): Promise<NonNullable<Update['last']>> {
    return this.box.until(`the switch to ${version} is decided`, async () => {
      const seen = (await this.box.api<Update>('GET', '/update').catch(() => undefined))?.body;
      return seen?.last?.to === version && seen.last.result !== 'pending' && seen.task === null && seen.last;
    }, switchMs);
  }
}
