/**
 * A file that is no image, uploaded in the same resumable way: it arrives in the ISO domain, holds its room there, and is taken away by
 * whom it is for, in the commit that ends the upload.
 */
import { open, truncate } from 'node:fs/promises';
import type { Tx } from '../core/db.ts';
import type { Call } from '../core/operation.ts';
import { Problem } from '../core/problem.ts';
import type { DomainRow } from './domains.ts';
import type { HeaderCheck } from './image-header.ts';
import type { StorageServices } from './services.ts';
import { acceptUpload, type UploadKind } from './upload.ts';
import { uploadRoom } from './uploads.ts';

export interface FileUpload {
  /** One upload each. */
  target: string;
  /** Most bytes that it can have, and what to do about more. */
  limitBytes: number;
  limitAdvice: string;
  check(head: Uint8Array, fileSizeBytes: number | undefined): HeaderCheck;
  /** Moves the whole file to where it belongs. */
  take(path: string): Promise<void>;
  /** Runs in the commit that ends the upload; gives the answer to it. */
  taken(tx: Tx): () => Response;
}

export function receiveFile(services: StorageServices, call: Call, request: Request, wish: FileUpload): Promise<Response> {
  return acceptUpload(services, call, request, kindOf(services, call, wish));
}

function kindOf(services: StorageServices, call: Call, wish: FileUpload): UploadKind {
  const domain = placeOf(services);
  const backend = services.domains.files(domain);
  const { target, limitBytes, limitAdvice, check } = wish;
  return {
    target, domain, limitBytes, limitAdvice, check, isSparse: true,
    begin: () => ({ diskId: null, volumeId: null, name: null, format: null }),
    neededBytes: (totalBytes) => totalBytes,
    path: (upload) => backend.uploadPath(upload.id),
    makeFile: async (upload) => (await open(backend.uploadPath(upload.id), 'w')).close(),
    cutFile: (upload) => truncate(backend.uploadPath(upload.id), upload.receivedBytes),
    async finish(upload) {
      await wish.take(backend.uploadPath(upload.id));
      const answer = services.database.write({ actor: call.actor.name, operation: 'upload.finish', requestId: call.requestId }, (tx) => {
        services.uploads.remove(tx, upload);
        services.space.release(tx, uploadRoom(upload));
        return wish.taken(tx);
      });
      return answer();
    },
  };
}

function placeOf({ domains }: StorageServices): DomainRow {
  const domain = domains.list().find(({ kind }) => kind === 'iso');
  if (!domain) throw new Problem('unavailable', 'There is no storage domain for files yet. Try again in a moment.');
  return domain;
}
