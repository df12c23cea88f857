/**
 * A file as an answer: whole or one range of it, at flat memory, so that a broken download goes on where it broke
 * (RFC 9110, 14). `If-Range` with another ETag gets the whole file: it is not the one that was begun.
 */
import { type FileHandle, open } from 'node:fs/promises';
import { MiB } from '../core/units.ts';
import { parseRange } from './rules.ts';

export interface Download {
  path: string;
  /** What the browser saves it as. */
  fileName: string;
  /** Changes whenever the content may have. */
  etag: string;
  /** Called once, when nothing more is read. */
  onEnd(): void;
}

const chunkBytes = MiB / 4;

export async function answerFile(request: Request, download: Download): Promise<Response> {
  try {
    const file = await open(download.path, 'r');
    return await answerOpen(request, file, download).catch(async (error) => {
      await file.close();
      throw error;
    });
  } catch (error) {
    download.onEnd();
    throw error;
  }
}

async function answerOpen(request: Request, file: FileHandle, { fileName, etag, onEnd }: Download): Promise<Response> {
  const { size } = await file.stat();
  const ifRange = request.headers.get('if-range');
  const range = ifRange === null || ifRange === etag ? parseRange(request.headers.get('range'), size) : undefined;
  const headers: Record<string, string> = {
    'accept-ranges': 'bytes', etag, 'cache-control': 'no-store', 'content-type': 'application/octet-stream',
    'content-disposition': `attachment; filename*=UTF-8''${encodeURIComponent(fileName)}`,
  };
  const end = async () => {
    await file.close();
    onEnd();
  };
  if (range === 'unsatisfiable') {
    await end();
    return new Response(null, { status: 416, headers: { ...headers, 'content-range': `bytes */${size}` } });
  }
  const { startBytes, endBytes } = range ?? { startBytes: 0, endBytes: size };
  headers['content-length'] = String(endBytes - startBytes);
  if (range) headers['content-range'] = `bytes ${startBytes}-${endBytes - 1}/${size}`;
  const status = range ? 206 : 200;
  if (request.method === 'HEAD') {
    await end();
    return new Response(null, { status, headers });
  }
  return new Response(streamFile(file, { startBytes, endBytes, end }), { status, headers });
}

function streamFile(file: FileHandle, { startBytes, endBytes, end }: { startBytes: number; endBytes: number; end: () => Promise<void> }): ReadableStream<Uint8Array> {
  let at = startBytes;
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { buffer, bytesRead } = await file.read(new Uint8Array(Math.min(chunkBytes, endBytes - at)), 0, undefined, at).catch(async (error) => {
        await end();
        throw error;
      });
      at += bytesRead;
      if (bytesRead > 0) controller.enqueue(buffer.subarray(0, bytesRead));
      if (at < endBytes && bytesRead > 0) return;
      await end();
      if (at < endBytes) controller.error(new Error('the file became shorter while it was read'));
      else controller.close();
    },
    cancel: end,
  }, { highWaterMark: 0 });
}
