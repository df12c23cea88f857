/** Certificates for tests, signed by themselves or by one another, made by openssl. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Pair {
  chain: string;
  key: string;
}

export interface PairOptions {
  days?: number;
  /** Who signs it; itself unless told. */
  signer?: Pair;
  algorithm?: string[];
}

const ellipticCurve = ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256'];

/** For `localhost` and NAME. */
export function makePair(name: string, { days = 100, signer, algorithm = ellipticCurve }: PairOptions = {}): Pair {
  const folder = mkdtempSync(join(tmpdir(), 'bothy-pair-'));
  const at = (file: string) => join(folder, file);
  const openssl = (...args: string[]) => execFileSync('openssl', args, { stdio: 'pipe' });
  try {
    openssl('genpkey', ...algorithm, '-out', at('key.pem'));
    if (signer) {
      writeFileSync(at('signer.pem'), signer.chain);
      writeFileSync(at('signer-key.pem'), signer.key);
    }
    const by = signer ? ['-CA', at('signer.pem'), '-CAkey', at('signer-key.pem')] : [];
    openssl('req', '-x509', '-new', '-key', at('key.pem'), '-days', String(days), '-subj', `/CN=${name}`, '-addext', `subjectAltName=DNS:localhost,DNS:${name}`, ...by, '-out', at('cert.pem'));
    return { chain: readFileSync(at('cert.pem'), 'utf8'), key: readFileSync(at('key.pem'), 'utf8') };
  } finally {
    rmSync(folder, { recursive: true });
  }
}
