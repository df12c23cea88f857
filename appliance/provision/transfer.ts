/**
 * Bytes of an image into the appliance: from the stick, or from an address by way of a file in the state folder, through the
 * same upload that a person would use. The checksum is checked before anything is taken for whole.
 */
import { createReadStream } from 'node:fs';
import { mkdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { Problem } from '../core/problem.ts';
import { TiB } from '../core/units.ts';
import type { Performer, SiteServices } from './services.ts';

export interface Transfer {
  source: { url?: string | undefined; file?: string | undefined; sha256?: string | undefined };
  operation: 'iso.upload' | 'disk.upload';
  input: Record<string, unknown>;
  progress(fraction: number): void;
}

/** Resolves with the answer of the upload. */
export async function transfer(services: SiteServices, by: Performer, wish: Transfer): Promise<unknown> {
  const { url, file } = wish.source;
  if (url !== undefined) return fromAddress(services, by, wish, url);
  const opened = await services.sources.openFile(file ?? '', by.signal);
  if (!opened) throw new Problem('not-found', `No stick holds the file "${file}". Plug in the one that it lies on, then apply the site file again.`);
  try {
    return await send(services, by, wish, opened);
  } finally {
    await opened.close();
  }
}

async function fromAddress(services: SiteServices, by: Performer, wish: Transfer, url: string): Promise<unknown> {
  const folder = join(services.statePath, 'site');
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const path = join(folder, `${wish.source.sha256}.part`);
  await services.downloads.fetch({ url, path, limitBytes: TiB, signal: by.signal, progress: (received, total) => wish.progress(total ? (received / total) * 0.8 : 0.1) });
  const stream = createReadStream(path);
  try {
    const answer = await send(services, by, wish, { stream: Readable.toWeb(stream) as ReadableStream<Uint8Array>, sizeBytes: (await stat(path)).size }); // the same type under two names
    await rm(path, { force: true });
    return answer;
  } catch (error) {
    // What is not the announced file will not become it by being sent again.
    if (error instanceof Problem && error.type === 'invalid-input') await rm(path, { force: true });
    throw error;
  } finally {
    stream.destroy();
  }
}

async function send(services: SiteServices, by: Performer, { operation, input, source: { sha256 } }: Transfer, body: { stream: ReadableStream<Uint8Array>; sizeBytes: number }): Promise<unknown> {
  const headers = { 'content-length': String(body.sizeBytes), ...(sha256 !== undefined && { 'repr-digest': `sha-256=:${Buffer.from(sha256, 'hex').toString('base64')}:` }) };
  const init = { method: 'PUT', headers, body: body.stream, duplex: 'half' } as RequestInit; // its type does not know `duplex`
  const response = await services.perform.send(operation, input, by, new Request('http://appliance/', init));
  return response.json();
}
