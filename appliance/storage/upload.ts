/**
 * One request of an upload, from its headers to its answer.
 *
 *   PUT, no Content-Range                       the whole file, from its first byte; what was there of an older upload goes
 *   PUT, Content-Range: bytes 100-199/1000      goes on where the upload stands; `*` for a total that is not known yet
 *   PUT, Content-Range: bytes * of 1000, no body     nothing more comes: finish, or say where it stands (written with a slash)
 *
 * While the connection lasts what arrives is kept; when it breaks, the upload waits to be gone on with. What is refused for
 * what it is (`UploadKind.check`) is deleted at once.
 */
import { open } from 'node:fs/promises';
import type { Tx } from '../core/db.ts';
import { newId } from '../core/id.ts';
import type { Call } from '../core/operation.ts';
import { Problem } from '../core/problem.ts';
import { formatBytes, MiB } from '../core/units.ts';
import type { DomainRow } from './domains.ts';
import type { HeaderCheck } from './image-header.ts';
import { type Connection, readHead } from './receiver.ts';
import { type ContentRange, parseContentRange } from './rules.ts';
import type { StorageServices } from './services.ts';
import type { Room } from './space.ts';
import { toProblem } from './tool-problem.ts';
import { type UploadRow, uploadRoom } from './uploads.ts';

/** What differs between the content of a disk and an ISO file. */
export interface UploadKind {
  target: string;
  domain: DomainRow;
  /** Most bytes that the file can have, and what to do about more. */
  limitBytes: number;
  limitAdvice: string;
  /** Throws unless the upload may begin. Runs in the transaction that reserves its room; `known` is what it starts anew. */
  begin(tx: Tx, known: UploadRow | undefined): Pick<UploadRow, 'diskId' | 'volumeId' | 'name' | 'format'>;
  /** Room that the whole takes when the file has `totalBytes`. */
  neededBytes(totalBytes: number): number;
  path(upload: UploadRow): string;
  /** Makes an empty file, also in place of what an older try left. */
  makeFile(upload: UploadRow): Promise<void>;
  /** Blocks of zeros need not be written. */
  isSparse: boolean;
  /** Cuts off what may lie behind the part that is safe. */
  cutFile(upload: UploadRow): Promise<void>;
  /** Holds the file's first bytes, and its size once it is known, to what it should be. */
  check(head: Uint8Array, fileSizeBytes: number | undefined): HeaderCheck;
  finish(upload: UploadRow, sha256: string): Promise<Response>;
}

const origin = (call: Call, operation: string) => ({ actor: call.actor.name, operation, requestId: call.requestId });

export async function acceptUpload(services: StorageServices, call: Call, request: Request, kind: UploadKind): Promise<Response> {
  const range = rangeOf(request);
  const connection = await services.receiver.enter(kind.target);
  let uploadId: string | undefined;
  try {
    const { upload, isNew } = await place(services, call, { kind, range, request });
    uploadId = upload.id;
    if (isNew) await kind.makeFile(upload);
    else await cut(kind, upload);
    const isWhole = await take(services, connection, { kind, range, upload, request });
    return isWhole ? await finish(connection, { kind, upload: requireUpload(services, upload), expected: digestOf(request) }) : incomplete(requireUpload(services, upload));
  } catch (error) {
    throw await refuse(services, error, kind);
  } finally {
    connection.leave();
    // One that was cancelled meanwhile has ended before its connection did.
    if (uploadId !== undefined && !services.uploads.get(uploadId)) services.receiver.forget(uploadId);
  }
}

async function cut(kind: UploadKind, upload: UploadRow): Promise<void> {
  await kind.cutFile(upload).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
    throw new Problem('wrong-state', 'The part that had arrived is gone. Start the upload with its first byte.', { cause: error });
  });
}

/** `undefined` without the header: the whole file comes. */
function rangeOf(request: Request): ContentRange | undefined {
  const header = request.headers.get('content-range');
  if (header === null) return undefined;
  const range = parseContentRange(header);
  if (!range) throw new Problem('invalid-input', `The header "Content-Range: ${header.slice(0, 100)}" is malformed. Send it as "bytes 0-99/200", or leave it out to send the whole file.`);
  return range;
}

/** Size of the whole file as this request tells it. */
function totalOf(request: Request, range: ContentRange | undefined): number | undefined {
  if (range) return range.totalBytes;
  const length = request.headers.get('content-length');
  return length !== null && /^\d{1,15}$/.test(length) ? Number(length) : undefined;
}

interface Arrival {
  kind: UploadKind;
  range: ContentRange | undefined;
  request: Request;
}

/** Begins a new upload, or finds the one that goes on. */
async function place(services: StorageServices, call: Call, { kind, range, request }: Arrival): Promise<{ upload: UploadRow; isNew: boolean }> {
  const totalBytes = totalOf(request, range);
  if (totalBytes !== undefined && totalBytes > kind.limitBytes) throw new Problem('too-large', `The file has ${formatBytes(totalBytes)}; at most ${formatBytes(kind.limitBytes)} fit there. ${kind.limitAdvice}`);
  const known = services.uploads.find(kind.target);
  if (known?.state === 'importing') throw new Problem('in-use', 'The upload before is still being imported. Wait for its task to end.');
  const goesOn = range !== undefined && range.startBytes !== 0;
  if (goesOn) return { upload: goOn(known, range, totalBytes), isNew: false };
  const room = await services.space.look(kind.domain);
  const upload = services.database.write(origin(call, 'upload.begin'), (tx) => begin(services, tx, { kind, room, totalBytes, known, actor: call.actor.name }));
  return { upload, isNew: true };
}

function goOn(known: UploadRow | undefined, range: ContentRange, totalBytes: number | undefined): UploadRow {
  if (!known) throw new Problem('wrong-state', 'There is no upload to go on with. Start it with its first byte.');
  if (known.totalBytes !== null && totalBytes !== undefined && known.totalBytes !== totalBytes) {
    throw new Problem('wrong-state', `The upload that is there has ${known.totalBytes} bytes in all, not ${totalBytes}: it is another file. Start this one with its first byte.`);
  }
  if (range.startBytes !== undefined && range.startBytes !== known.receivedBytes) {
    throw new Problem('wrong-state', `The upload stands at byte ${known.receivedBytes}, not ${range.startBytes}. Go on from there: "Content-Range: bytes ${known.receivedBytes}-...".`);
  }
  return { ...known, totalBytes: known.totalBytes ?? totalBytes ?? null };
}

interface Beginning {
  kind: UploadKind;
  room: Room;
  totalBytes: number | undefined;
  known: UploadRow | undefined;
  actor: string;
}

function begin({ uploads, space }: StorageServices, tx: Tx, { kind, room, totalBytes, known, actor }: Beginning): UploadRow {
  const id = known?.id ?? newId<'upload'>();
  if (known) uploads.remove(tx, known);
  const upload = uploads.insert(tx, {
    id, target: kind.target, state: 'receiving', domainId: kind.domain.id, totalBytes: totalBytes ?? null, receivedBytes: 0, actor, ...kind.begin(tx, known),
  });
  space.reserve(tx, room, { id: uploadRoom(upload), bytes: kind.neededBytes(totalBytes ?? 0), path: kind.path(upload) });
  return upload;
}

interface Taking extends Arrival {
  upload: UploadRow;
}

/** Receives the body; true when the file is whole. */
async function take(services: StorageServices, connection: Connection, { kind, range, upload, request }: Taking): Promise<boolean> {
  const save = (receivedBytes: number, totalBytes: number | null) => services.database.write({ actor: upload.actor, operation: 'upload.receive' }, (tx) => {
    const row = services.uploads.get(upload.id);
    if (row) services.uploads.update(tx, row, { receivedBytes, totalBytes });
  });
  const isQuestion = range !== undefined && range.startBytes === undefined;
  const receivedBytes = await connection.receive(isQuestion ? null : request.body, {
    target: kind.target, uploadId: upload.id, path: kind.path(upload), startBytes: upload.receivedBytes,
    totalBytes: range?.endBytes ?? upload.totalBytes ?? undefined, limitBytes: kind.limitBytes, isSparse: kind.isSparse,
    checkHead: (head) => requireOk(kind.check(head, upload.totalBytes ?? undefined)),
    onSafe: (safeBytes) => save(safeBytes, upload.totalBytes),
    allowance: () => allowance(services, kind.domain),
  });
  const isAll = range === undefined ? upload.totalBytes === null || receivedBytes === upload.totalBytes : receivedBytes === upload.totalBytes;
  if (isAll && upload.totalBytes === null) save(receivedBytes, receivedBytes);
  return isAll;
}

/** How often what was received is brought to the disk and written down. */
const syncEveryBytes = 64 * MiB;

/** How much may come until the next look; stops an upload of unknown size, or beside other writers, before the domain is full. */
async function allowance(services: StorageServices, domain: DomainRow): Promise<number> {
  const { freeBytes } = await services.domains.requireActive(domain).capacity();
  const roomBytes = freeBytes - domain.criticalSpaceBytes;
  if (roomBytes > 0) return Math.min(syncEveryBytes, Math.max(MiB, roomBytes / 2));
  throw new Problem('insufficient-storage', `The storage domain "${domain.name}" is nearly full. What has arrived is kept: make room, then go on with the upload.`);
}

/** `Repr-Digest: sha-256=:...:` (RFC 9530), as hexadecimal: what the whole file must be. */
function digestOf(request: Request): string | undefined {
  const header = request.headers.get('repr-digest');
  if (header === null) return undefined;
  const [, base64] = /(?:^|,)\s*sha-256=:([A-Za-z0-9+/]{43}=):/.exec(header) ?? [];
  if (base64 === undefined) throw new Problem('invalid-input', 'The header "Repr-Digest" must name the SHA-256 of the whole file: "sha-256=:BASE64:".');
  return Buffer.from(base64, 'base64').toString('hex');
}

async function finish(connection: Connection, { kind, upload, expected }: { kind: UploadKind; upload: UploadRow; expected: string | undefined }): Promise<Response> {
  const path = kind.path(upload);
  const file = await open(path, 'r');
  try {
    requireOk(kind.check(await readHead(file, upload.receivedBytes), upload.receivedBytes));
  } finally {
    await file.close();
  }
  const sha256 = await connection.digest({ uploadId: upload.id, path }, upload.receivedBytes);
  if (expected !== undefined && sha256 !== expected) throw new Unfit('invalid-input', `What arrived is not the file that was announced: its SHA-256 is ${sha256}, not ${expected}. Upload it again.`);
  return kind.finish(upload, sha256);
}

/** What the uploader declared or sent is wrong in itself: there is nothing to go on with. */
class Unfit extends Problem {}

function requireOk(check: HeaderCheck): void {
  if (!check.isOk) throw new Unfit('invalid-input', check.reason);
}

function requireUpload(services: StorageServices, { id }: UploadRow): UploadRow {
  const row = services.uploads.get(id);
  if (!row) throw new Problem('wrong-state', 'The upload was cancelled.');
  return row;
}

async function refuse(services: StorageServices, error: unknown, kind: UploadKind): Promise<unknown> {
  const upload = services.uploads.find(kind.target);
  const isWorthless = error instanceof Unfit || upload?.receivedBytes === 0;
  if (upload?.state === 'receiving' && isWorthless) {
    const task = services.database.write({ actor: upload.actor, operation: 'upload.discard' }, (tx) => services.tasks.start(tx, 'upload.discard', { upload: upload.id }, []));
    await services.tasks.ended(task);
  }
  return toProblem('The upload stopped', error);
}

function incomplete({ id, state, receivedBytes, totalBytes }: UploadRow): Response {
  return Response.json({ id, state, receivedBytes, totalBytes }, { headers: receivedBytes > 0 ? { range: `bytes=0-${receivedBytes - 1}` } : {} });
}
