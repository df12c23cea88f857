/**
 * Looks at what is: domains every ten seconds, their files and disks every minute.
 *
 *   domain   wished (a row) -> active <-> inactive      by whether its metadata can be read and its place written
 *   space    ok <-> low <-> critical                    by its limits; each change is told once
 *
 * A domain comes back by itself when its fault is mended. The first look on a new appliance makes the data domain `local`
 * and the ISO domain `isos`; after that a missing folder is a fault and is never made anew, for it may be an unmounted disk.
 */
import type { Tx } from '../core/db.ts';
import { newId } from '../core/id.ts';
import type { Reconciler } from '../core/reconciler.ts';
import { formatBytes, MiB } from '../core/units.ts';
import { createFileDomain, findFileDomains } from './file-domain.ts';
import type { DiskRow } from './disks.ts';
import type { DomainFact, DomainRow } from './domains.ts';
import { deleteLeftovers, deleteOldExports } from './leftovers.ts';
import { defaultCriticalBytes, type SpaceState, spaceState } from './rules.ts';
import type { StorageServices } from './services.ts';

const origin = { actor: 'system', operation: 'storage.watch' };
/** Free space is written down when it has changed by more than this, or by a thousandth of the whole. */
const noticeableBytes = 16 * MiB;
const staleUploadMs = 24 * 3_600_000;
const localFolder = 'storage';

export function storageReconcilers(services: StorageServices): Reconciler[] {
  /** Ids of domains and images that were cleared up since the service started. */
  const swept = new Set<string>();
  return [
    { name: 'storage-domains', periodMs: 10_000, run: () => watchDomains(services, swept) },
    { name: 'storage-content', periodMs: 60_000, run: (signal) => watchContent(services, swept, signal) },
  ];
}

async function watchDomains(services: StorageServices, swept: Set<string>): Promise<void> {
  if (services.domains.list().length === 0) await makeFirstDomains(services);
  for (const domain of services.domains.list()) {
    const fact = await look(services, domain);
    note(services, domain, fact);
    if (fact.status === 'active') services.activity.samples.record([{ kind: 'storage-domain', id: domain.id, name: domain.name, values: { usedBytes: fact.totalBytes - fact.freeBytes, totalBytes: fact.totalBytes } }]);
    if (fact.status === 'inactive' || swept.has(domain.id)) continue;
    swept.add(domain.id);
    await services.domains.requireActive(domain).sweep();
  }
}

/** A domain that is there already is taken over: the database may have been lost, or its writing cut off. */
async function makeFirstDomains({ database, domains, clock }: StorageServices): Promise<void> {
  const folder = domains.folder({ folder: localFolder });
  const found = await findFileDomains(folder);
  const rows: DomainRow[] = [];
  for (const [name, kind] of [['local', 'data'], ['isos', 'iso']] as const) {
    const id = found.find(({ domain }) => domain?.class === kind)?.id ?? newId<'storage-domain'>();
    await createFileDomain(folder, { id, class: kind, description: name, remotePath: folder });
    const row = { id, name, description: '', kind, type: 'local', folder: localFolder, lowSpacePercent: 10, criticalSpaceBytes: 0, generation: 1, createdAt: clock.now() } as const;
    const { totalBytes } = await domains.requireActive(row).capacity();
    rows.push({ ...row, criticalSpaceBytes: defaultCriticalBytes(totalBytes) });
  }
  database.write(origin, (tx) => {
    for (const row of rows) domains.insert(tx, row);
  });
}

async function look({ domains, clock }: StorageServices, domain: DomainRow): Promise<DomainFact> {
  const before = domains.fact(domain.id);
  const backend = domain.kind === 'data' ? domains.images(domain) : domains.files(domain);
  const found = { domainId: domain.id, since: before?.since ?? clock.now() };
  try {
    await backend.verify();
    const space = await backend.capacity();
    return { ...found, ...space, status: 'active', reason: '', space: spaceState(space, domain, before?.space) };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return { ...found, totalBytes: before?.totalBytes ?? 0, freeBytes: before?.freeBytes ?? 0, status: 'inactive', reason, space: before?.space ?? 'ok' };
  }
}

/** Writes down what changed and tells of it. */
function note(services: StorageServices, domain: DomainRow, fact: DomainFact): void {
  const { database, domains, clock } = services;
  const before = domains.fact(domain.id);
  const isMoved = Math.abs(fact.freeBytes - (before?.freeBytes ?? -1)) >= Math.max(noticeableBytes, fact.totalBytes / 1000);
  const isSame = before && fact.status === before.status && fact.reason === before.reason && fact.space === before.space && fact.totalBytes === before.totalBytes;
  if (isSame && !isMoved) return;
  database.write(origin, (tx) => {
    domains.observe(tx, { ...fact, since: fact.status === before?.status ? before.since : clock.now() });
    if (fact.status !== (before?.status ?? 'active')) tellStatus(services, tx, domain, fact);
    if (fact.space !== (before?.space ?? 'ok')) tellSpace(services, tx, domain, fact);
  });
}

const about = (domain: DomainRow) => [{ kind: 'storage-domain', id: domain.id, name: domain.name }];

function tellStatus({ activity }: StorageServices, tx: Tx, domain: DomainRow, { status, reason }: DomainFact): void {
  if (status === 'active') {
    activity.settle(tx, 'storage-domain.inactive', [domain.id]);
    activity.event(tx, { severity: 'info', code: 'storage-domain.active', message: `The storage domain "${domain.name}" is active again.`, about: about(domain) });
    return;
  }
  activity.event(tx, {
    severity: 'error', code: 'storage-domain.inactive', message: `The storage domain "${domain.name}" is inactive. ${reason}`,
    nextStep: 'It becomes active by itself when that is mended.', about: about(domain), isStanding: true,
  });
}

const spaceCodes: Record<Exclude<SpaceState, 'ok'>, string> = { low: 'storage-domain.space-low', critical: 'storage-domain.space-critical' };

function tellSpace({ activity }: StorageServices, tx: Tx, domain: DomainRow, { space, freeBytes, totalBytes }: DomainFact): void {
  for (const code of Object.values(spaceCodes)) activity.settle(tx, code, [domain.id]);
  if (space === 'ok') return;
  const figures = `${formatBytes(freeBytes)} of ${formatBytes(totalBytes)} are free`;
  const message = space === 'low'
    ? `The storage domain "${domain.name}" is getting full: ${figures}.`
    : `The storage domain "${domain.name}" is nearly full: ${figures}. New disks and uploads are refused, and guests stop when they cannot write.`;
  activity.event(tx, {
    severity: space === 'low' ? 'warning' : 'error', code: spaceCodes[space], message,
    nextStep: 'Delete disks and images that are not needed, or enlarge its file system.', about: about(domain), isStanding: true,
  });
}

async function watchContent(services: StorageServices, swept: Set<string>, signal: AbortSignal): Promise<void> {
  for (const domain of services.domains.list()) {
    if (services.domains.fact(domain.id)?.status !== 'active') continue;
    if (domain.kind === 'iso') await watchFiles(services, domain);
  }
  for (const disk of services.disks.list('', Number.MAX_SAFE_INTEGER)) {
    if (signal.aborted) return;
    if (disk.state !== 'creating') await watchDisk(services, disk);
    if (disk.state !== 'ok' || swept.has(disk.id)) continue;
    swept.add(disk.id);
    await deleteLeftovers(services, disk.id);
  }
  discardStaleUploads(services);
  await deleteOldExports(services);
}

/** Files may be put into the folder, or taken out, behind our back. */
async function watchFiles({ domains, isos, database }: StorageServices, domain: DomainRow): Promise<void> {
  const found = new Map((await domains.files(domain).files()).map((file) => [file.name, file]));
  const known = isos.list(domain.id);
  const gone = known.filter(({ name, state }) => state === 'ok' && !found.has(name));
  const changed = [...found.values()].filter((file) => known.find(({ name }) => name === file.name)?.sizeBytes !== file.sizeBytes);
  if (gone.length + changed.length === 0) return;
  database.write(origin, (tx) => {
    for (const row of gone) isos.remove(tx, row);
    for (const file of changed) isos.put(tx, { domainId: domain.id, ...file, sha256: null, state: 'ok' });
  });
}

async function watchDisk({ domains, disks, layers, database }: StorageServices, disk: DiskRow): Promise<void> {
  const backend = domains.images(domains.require(disk.domainId));
  const sizes = await Promise.all(layers.volumes(disk).map((volume) => backend.occupiedBytes(volume))).catch(() => undefined);
  const bytes = sizes?.reduce((sum, each) => sum + each, 0);
  if (bytes === undefined || bytes === disks.occupied([disk.id]).get(disk.id)) return;
  database.write(origin, (tx) => {
    if (disks.find(disk.id)) disks.observe(tx, disk.id, bytes);
  });
}

function discardStaleUploads({ uploads, tasks, activity, database, receiver, clock }: StorageServices): void {
  for (const upload of uploads.stale(clock.now() - staleUploadMs)) {
    if (receiver.receivedBytes(upload.target) !== undefined) continue;
    const isBegun = tasks.list({ limit: 100, isActive: true }).some(({ kind, input }) => kind === 'upload.discard' && (input as { upload: string }).upload === upload.id); // as that task's schema says
    if (isBegun) continue;
    database.write(origin, (tx) => {
      tasks.start(tx, 'upload.discard', { upload: upload.id }, []);
      activity.event(tx, {
        severity: 'warning', code: 'upload.given-up', message: `An upload by ${upload.actor} stood still for a day and was given up after ${formatBytes(upload.receivedBytes)}.`,
        nextStep: 'Upload the file again.', about: upload.diskId ? [{ kind: 'disk', id: upload.diskId, name: upload.diskId }] : [{ kind: 'iso', id: upload.name ?? '', name: upload.name ?? '' }],
      });
    });
  }
}
