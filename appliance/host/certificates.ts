/**
 * The certificate that browsers and peers are shown: one that people have given, else one of our own, signed by itself.
 *
 * Both stand in the database with their keys, so that they change whole or not at all. Our own is made before it ends and
 * keeps its key; one of somebody else's is served to its end and beyond, and people are told in time: an expired certificate makes browsers warn, none
 * at all would lock everybody out. Beside it `tls/cert.pem` in the state folder holds what is served now, for who pins it.
 */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { eq } from 'drizzle-orm';
import type { Activity } from '../activity/activity.ts';
import type { Tx } from '../core/db.ts';
import { writeFileAtomically } from '../core/atomic-file.ts';
import { createNotices } from '../core/events.ts';
import { run } from '../core/run.ts';
import type { Core } from '../core/services.ts';
import type { About } from '../core/task.ts';
import { certificateFacts, isDue, type Pair, warnBeforeMs } from './certificate.ts';
import { certificateTable } from './table.ts';

export interface Certificates {
  /** What is served; `undefined` before the first was made. */
  current(): (Pair & { isOwn: boolean }) | undefined;
  /** What is served, made if there is none. */
  ready(): Promise<Pair>;
  /** Serves this pair from now on; null: our own again. */
  give(tx: Tx, pair: Pair | null): void;
  /** Our own, also while another is served. */
  own(): Pair | undefined;
  /** A new certificate of our own, with a new key unless told. */
  makeOwn(key?: string): Promise<Pair>;
  keepOwn(tx: Tx, pair: Pair): void;
  onChange(listener: (pair: Pair) => void): () => void;
}

export interface CertificateDeps extends Core {
  hostId: string;
  /** Whether anybody is shown it: the service listens beyond loopback. */
  isSecure: boolean;
  activity: Pick<Activity, 'event' | 'settle'>;
  hostname(): Promise<string>;
  addresses(): Promise<string[]>;
  about(): Promise<About>;
}

const hour = 3_600_000;
/** Some browsers take none that is valid for longer. */
const validDays = 825;
const ending = 'host.certificate-ending';
const origin = { actor: 'system', operation: 'host.certificate' };

export function createCertificates(deps: CertificateDeps): Certificates {
  const { database, log, reconcilers, hostId, journal } = deps;
  const notices = createNotices<Pair>((error) => log.error('a certificate listener failed', { error }));
  const rows = () => database.sql.select().from(certificateTable).all();
  const current = () => {
    const all = rows();
    const row = all.find(({ isOwn }) => !isOwn) ?? all[0];
    return row && { chain: row.chain, key: row.key, isOwn: row.isOwn };
  };
  const keep = (tx: Tx, isOwn: boolean, pair: Pair | null) => {
    tx.sql.delete(certificateTable).where(eq(certificateTable.isOwn, isOwn)).run();
    if (pair) tx.sql.insert(certificateTable).values({ hostId, isOwn, ...pair }).run();
    journal.observed(tx, { kind: 'host', id: hostId, what: 'updated' });
    tx.afterCommit(() => {
      const served = current();
      if (served) notices.emit(served);
      reconcilers.wake('certificate');
    });
  };
  let making: Promise<Pair> | undefined;
  const certificates: Certificates = {
    current, own: () => rows().find(({ isOwn }) => isOwn), makeOwn: (key) => makePair(deps, key), onChange: notices.on,
    give: (tx, pair) => keep(tx, false, pair),
    keepOwn: (tx, pair) => keep(tx, true, pair),
    ready() {
      // Start and reconciler ask at the same time: one certificate, not two.
      making ??= prepare(deps, certificates).finally(() => { making = undefined; });
      return making;
    },
  };
  // On loopback nobody is shown one; what is given there waits.
  reconcilers.add({ name: 'certificate', periodMs: hour, run: async () => { if (deps.isSecure) await round(deps, certificates); } });
  return certificates;
}

/** Our own is there in any case, for the day when the other is taken back. */
async function prepare({ database, clock, statePath }: CertificateDeps, certificates: Certificates): Promise<Pair> {
  const own = certificates.own();
  if (!own || isDue(own.chain, clock.now())) {
    const pair = await certificates.makeOwn(own?.key);
    database.write(origin, (tx) => certificates.keepOwn(tx, pair));
  }
  const served = certificates.current();
  if (!served) throw new Error('the certificate that was just made is gone');
  await publish(statePath, served.chain);
  return served;
}

async function round(deps: CertificateDeps, certificates: Certificates): Promise<void> {
  await certificates.ready();
  const about = [await deps.about()];
  deps.database.write(origin, (tx) => {
    const served = certificates.current();
    const left = served && !served.isOwn ? certificateFacts(served.chain).validTo - deps.clock.now() : Number.POSITIVE_INFINITY;
    if (left > warnBeforeMs) return deps.activity.settle(tx, ending, [deps.hostId]);
    const when = new Date(deps.clock.now() + left).toISOString().slice(0, 10);
    deps.activity.event(tx, {
      severity: left > 0 ? 'warning' : 'error', code: ending, about, isStanding: true,
      message: left > 0 ? `The certificate of this machine ends on ${when}.` : `The certificate of this machine ended on ${when}, so browsers warn.`,
      nextStep: 'Give it a new one on the page "Host", or go back there to the certificate of its own.',
    });
  });
}

async function publish(statePath: string, chain: string): Promise<void> {
  const path = join(statePath, 'tls/cert.pem');
  if ((await readFile(path, 'utf8').catch(() => '')) === chain) return;
  await mkdir(join(statePath, 'tls'), { recursive: true, mode: 0o700 });
  await writeFileAtomically(path, chain);
}

/** With a key that is there, or a new one. */
async function makePair({ statePath, hostname, addresses }: CertificateDeps, key: string | undefined): Promise<Pair> {
  const name = await hostname();
  const names = [`DNS:${name}`, 'DNS:localhost', 'IP:127.0.0.1', ...(await addresses()).map((address) => `IP:${address}`)];
  await mkdir(join(statePath, 'tls'), { recursive: true, mode: 0o700 });
  const folder = await mkdtemp(join(statePath, 'tls/making-')); // for root alone
  try {
    const [keyPath, certPath] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
    if (key) await writeFile(keyPath, key, { mode: 0o600 });
    else await run(['openssl', 'genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256', '-out', keyPath], { timeoutMs: 120_000 });
    await run(['openssl', 'req', '-x509', '-new', '-key', keyPath, '-days', String(validDays), '-subj', `/CN=${name.slice(0, 60)}`, '-addext', `subjectAltName=${[...new Set(names)].join(',')}`, '-out', certPath], { timeoutMs: 120_000 });
    return { chain: await readFile(certPath, 'utf8'), key: await readFile(keyPath, 'utf8') };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
