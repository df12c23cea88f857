/** What can be done with an upload beside sending it: see where it stands, give it up. */
import type * as z from 'zod';
import type { Tx } from '../core/db.ts';
import { Problem } from '../core/problem.ts';
import type { About } from '../core/task.ts';
import type { UploadOutput } from './schema.ts';
import type { StorageServices } from './services.ts';
import type { UploadRow } from './uploads.ts';

function requireUpload({ uploads }: StorageServices, target: string): UploadRow {
  const upload = uploads.find(target);
  if (!upload) throw new Problem('not-found', 'There is no upload under way. Start one with its first byte.');
  return upload;
}

export function showUpload(services: StorageServices, target: string): z.input<typeof UploadOutput> {
  const { id, state, receivedBytes, totalBytes, format, actor, createdAt } = requireUpload(services, target);
  return { id, state, receivedBytes: services.receiver.receivedBytes(target) ?? receivedBytes, totalBytes, format, actor, createdAt };
}

/** Ends the connection, if there is one, and starts the task that deletes what has arrived. */
export function cancelUpload(services: StorageServices, tx: Tx, target: string, about: About[]): string {
  const upload = requireUpload(services, target);
  if (upload.state === 'importing') throw new Problem('wrong-state', 'The upload has arrived and is being imported. Cancel that task instead.');
  tx.afterCommit(() => void services.receiver.stop(target));
  return services.tasks.start(tx, 'upload.discard', { upload: upload.id }, about);
}
