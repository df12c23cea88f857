/**
 * The appliance's own certificate, made once by openssl when the service listens beyond loopback: without TLS nothing does.
 * Key and certificate stay in the state folder; an administrator may replace both by files of the same name.
 */
import { mkdir, readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { renameDurably, syncPath } from '../core/atomic-file.ts';
import { run } from '../core/run.ts';

export interface Certificate {
  key: Buffer;
  cert: Buffer;
}

const validDays = 3650;

export async function loadCertificate(statePath: string, address: string): Promise<Certificate> {
  const folder = join(statePath, 'tls');
  const keyPath = join(folder, 'key.pem');
  const certPath = join(folder, 'cert.pem');
  const kept = { key: await content(keyPath), cert: await content(certPath) };
  if (kept.key.length > 0 && kept.cert.length > 0) return kept;
  await makeCertificate({ folder, keyPath, certPath, address });
  return { key: await readFile(keyPath), cert: await readFile(certPath) };
}

/** Empty where there is none. A file that a power cut left empty is none either: the box must come up with nobody there. */
async function content(path: string): Promise<Buffer> {
  return readFile(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return Buffer.alloc(0);
    throw error;
  });
}

async function makeCertificate({ folder, keyPath, certPath, address }: { folder: string; keyPath: string; certPath: string; address: string }): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const isNumeric = /^[\d.]+$|:/.test(address);
  const names = [`DNS:${hostname()}`, 'DNS:localhost', 'IP:127.0.0.1', isNumeric ? `IP:${address}` : `DNS:${address}`];
  await run(
    ['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', String(validDays),
      '-subj', `/CN=${hostname().slice(0, 60)}`, '-addext', `subjectAltName=${names.join(',')}`, '-keyout', `${keyPath}.new`, '-out', `${certPath}.new`],
    { timeoutMs: 30_000 },
  );
  for (const path of [keyPath, certPath]) {
    await syncPath(`${path}.new`);
    await renameDurably(`${path}.new`, path);
  }
}
