/** An installation image as an upload: it has its name, and can be used, only when it is whole. */
import { open, truncate } from 'node:fs/promises';
import type { Call } from '../core/operation.ts';
import { TiB } from '../core/units.ts';
import type { DomainRow } from './domains.ts';
import { checkFloppy } from './floppy-image.ts';
import type { HeaderCheck } from './image-header.ts';
import { checkIso, checkIsoLength } from './iso-header.ts';
import { isoKey } from './readers.ts';
import { isFloppyName, isOvaName } from './schema.ts';
import type { StorageServices } from './services.ts';
import type { UploadKind } from './upload.ts';
import { isoTarget, uploadRoom } from './uploads.ts';
import { requireUnused } from './users.ts';

export function isoUpload(services: StorageServices, call: Call, { domain, name }: { domain: DomainRow; name: string }): UploadKind {
  const backend = services.domains.files(domain);
  return {
    target: isoTarget(domain.id, name),
    domain,
    limitBytes: TiB,
    limitAdvice: 'No installation image is that large; a disk image belongs on a disk.',
    isSparse: true,
    begin() {
      requireFree(services, domain, name);
      return { diskId: null, volumeId: null, name, format: null };
    },
    neededBytes: (totalBytes) => totalBytes,
    path: (upload) => backend.uploadPath(upload.id),
    makeFile: async (upload) => (await open(backend.uploadPath(upload.id), 'w')).close(),
    cutFile: (upload) => truncate(backend.uploadPath(upload.id), upload.receivedBytes),
    check(head, fileSizeBytes) {
      if (isFloppyName(name)) return checkFloppy(head, fileSizeBytes);
      if (isOvaName(name)) return checkOva(head);
      const check = checkIso(head);
      return check.isOk && fileSizeBytes !== undefined ? checkIsoLength(head, fileSizeBytes) : check;
    },
    async finish(upload, sha256) {
      requireFree(services, domain, name);
      await backend.publish(upload.id, name);
      const row = { domainId: domain.id, name, sizeBytes: upload.receivedBytes, modifiedAt: services.clock.now(), sha256, state: 'ok' as const };
      services.database.write({ actor: call.actor.name, operation: 'iso.upload', requestId: call.requestId }, (tx) => {
        services.isos.put(tx, row);
        services.uploads.remove(tx, upload);
        services.space.release(tx, uploadRoom(upload));
      });
      const location = `/api/v1/storage-domains/${domain.id}/files/${encodeURIComponent(name)}`;
      return Response.json({ name, sizeBytes: row.sizeBytes, sha256 }, { status: 201, headers: { location } });
    },
  };
}

/** A file of that name may be replaced only while nobody reads it. */
function requireFree({ isos, users, readers }: StorageServices, domain: DomainRow, name: string): void {
  if (!isos.find(domain.id, name)) return;
  isos.require(domain, name);
  requireUnused(`The file "${name}"`, users.find('iso', name), 'Eject it there, or choose another name.');
  readers.requireNone(isoKey(domain.id, name), `The file "${name}"`);
}

/** Whether it may be an OVA: a tar whose first member is a description. What is in it is looked at when it is imported. */
function checkOva(head: Uint8Array): HeaderCheck {
  const first = new TextDecoder('latin1').decode(head.subarray(0, 263));
  const isTar = /^ustar/.test(first.slice(257));
  return isTar ? { isOk: true } : { isOk: false, reason: 'This is no OVA: it is not a tar archive. Export the machine as one file (OVA) where it comes from.' };
}
