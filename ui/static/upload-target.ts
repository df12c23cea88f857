/** Where an upload goes: an ISO image to a file of its own name, a disk image to a new disk that is made for it first, an update to its one place. */
import { readImageHead } from './image-size.ts';

export type UploadTexts = Record<'preparing' | 'sending' | 'waiting' | 'paused' | 'checking' | 'done' | 'leave' | 'unknownFormat' | 'empty', string>;

export interface Target {
  address: string;
  headers: Record<string, string>;
  /** What to delete when the upload is cancelled, in this order. */
  traces: string[];
}

/** The appliance said no, and why; trying again would not help. */
export class Refused extends Error {}

/** What proves that a change comes from our own page. */
export const csrf = (): string => document.querySelector<HTMLMetaElement>('meta[name="csrf"]')?.content ?? '';

export const prepareIso = (files: string) => async (file: File): Promise<Target> => {
  const address = `${files}/${encodeURIComponent(file.name)}`;
  return { address, headers: {}, traces: [`${address}/upload`] };
};

export const prepareUpdate = (address: string) => async (): Promise<Target> => ({ address, headers: {}, traces: [address] });

/** Makes the disk that the image goes into, named after the file, and waits until it is there. */
export const prepareDisk = (disks: string) => async (file: File, texts: UploadTexts): Promise<Target> => {
  const head = await readImageHead(file);
  if (!head.sizeBytes) throw new Refused(texts.unknownFormat);
  const name = file.name.replace(/\.[^.]*$/, '').replace(/[^A-Za-z0-9_.-]+/g, '-').replace(/^[-.]+/, '').slice(0, 60) || 'disk';
  const disk = `${disks}/${encodeURIComponent(name)}`;
  const body = JSON.stringify({ name, sizeBytes: Math.max(2 ** 20, Math.ceil(head.sizeBytes / 4096) * 4096), format: 'cow', allocation: 'sparse' });
  const made = await fetch(disks, { method: 'POST', headers: { 'content-type': 'application/json', 'x-csrf-token': csrf() }, body });
  if (!made.ok) {
    const problem = (await made.json()) as { type: string; detail: string }; // problem+json
    // A disk of that name that still waits for this very file is gone on with; the appliance checks the size.
    if (problem.type !== 'name-taken') throw new Refused(problem.detail);
  }
  for (let round = 0; round < 120; round++) {
    const { state } = (await (await fetch(disk)).json()) as { state?: string }; // the API's schema
    if (state !== 'creating') break;
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  return { address: `${disk}/content`, headers: { 'x-image-format': head.format }, traces: made.ok ? [`${disk}/upload`, disk] : [`${disk}/upload`] };
};
