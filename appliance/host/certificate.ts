/** What a certificate and its key say, and whether they can serve. Pure. */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import type { FieldError } from '../core/problem.ts';

/** PEM: the certificate first, then those that signed it; and its key. */
export interface Pair {
  chain: string;
  key: string;
}

export interface CertificateFacts {
  subject: string;
  issuer: string;
  /** Host names and addresses that it is for. */
  names: string[];
  /** Milliseconds since the epoch. */
  validFrom: number;
  validTo: number;
  /** SHA-256, as browsers show it. */
  fingerprint: string;
}

const day = 86_400_000;
/** Own certificates are made anew, and people are told of theirs, so long before the end. */
export const renewBeforeMs = 60 * day;
export const warnBeforeMs = 30 * day;
const block = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;
const leastRsaBits = 2048;

export function certificateFacts(chain: string): CertificateFacts {
  const leaf = new X509Certificate(chain);
  const names = (leaf.subjectAltName ?? '').split(', ').map((name) => name.replace(/^(DNS|IP Address):/, '')).filter((name) => name !== '');
  return { subject: oneLine(leaf.subject), issuer: oneLine(leaf.issuer), names, validFrom: Date.parse(leaf.validFrom), validTo: Date.parse(leaf.validTo), fingerprint: leaf.fingerprint256 };
}

const oneLine = (name: string): string => name.split('\n').join(', ');

/** Whether a certificate of our own is due: at its end, or because the clock was wrong when it was made. */
export function isDue(chain: string, now: number): boolean {
  const { validFrom, validTo } = certificateFacts(chain);
  return now > validTo - renewBeforeMs || now < validFrom - day;
}

/** Why this pair cannot serve; empty when it can. `now`: milliseconds since the epoch. */
export function pairFaults({ chain, key }: Pair, now: number): FieldError[] {
  const [certificates, fault] = readChain(chain);
  const opened = openKey(key);
  const errors = [...(fault ? [{ path: 'chain', message: fault }] : []), ...(typeof opened === 'string' ? [{ path: 'key', message: opened }] : [])];
  const [leaf, ...signers] = certificates;
  if (errors.length > 0 || !leaf || typeof opened === 'string') return errors;
  if (!leaf.checkPrivateKey(opened)) return [{ path: 'key', message: 'This key belongs to another certificate. The first certificate of the chain must be the one made for this key.' }];
  if (Date.parse(leaf.validTo) <= now) return [{ path: 'chain', message: `This certificate has ended: it was valid to ${new Date(leaf.validTo).toISOString().slice(0, 10)}.` }];
  const broken = signers.findIndex((signer, index) => !certificates[index]?.checkIssued(signer));
  return broken < 0 ? [] : [{ path: 'chain', message: `Certificate ${broken + 2} did not sign the one before it. Put them in order: first that of this machine, then who signed it, and so on.` }];
}

function readChain(text: string): [X509Certificate[], string | undefined] {
  const blocks = text.match(block) ?? [];
  if (blocks.length === 0) return [[], 'This is no certificate in PEM: it must begin with -----BEGIN CERTIFICATE-----.'];
  try {
    return [blocks.map((pem) => new X509Certificate(pem)), undefined];
  } catch {
    return [[], 'A certificate in it cannot be read: it is cut off or changed.'];
  }
}

function openKey(text: string): KeyObject | string {
  if (/ENCRYPTED/.test(text)) return 'This key is locked with a password, and nobody could type it after a power cut. Unlock it first: openssl pkey -in KEY -out OPEN-KEY';
  try {
    const key = createPrivateKey(text);
    const { modulusLength } = key.asymmetricKeyDetails ?? {};
    return modulusLength !== undefined && modulusLength < leastRsaBits ? `An RSA key needs at least ${leastRsaBits} bits; this one has ${modulusLength}.` : key;
  } catch {
    return 'This is no private key in PEM: it must begin with -----BEGIN PRIVATE KEY-----.';
  }
}
