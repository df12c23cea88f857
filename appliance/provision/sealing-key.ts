/** This machine's sealing key: made when it is first needed, kept in the state folder for root alone, never shown. */
import { createHmac } from 'node:crypto';
import { chmodSync, existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isSealed, newSealingKey, publicKeyOf, seal, unseal } from './sealed.ts';
import type { Path } from './yaml.ts';

export interface SealingKey {
  publicKey(): string;
  unseal(sealed: string): string | undefined;
  /** A copy of `document` in which the secrets at `paths` are sealed. */
  sealAt(document: unknown, paths: readonly Path[]): unknown;
  /** A hash of `text` that tells nothing to anyone without the key. */
  digest(text: string): string;
}

export function openSealingKey(statePath: string): SealingKey {
  const file = join(statePath, 'site-key.pem');
  const privateKey = () => {
    if (!existsSync(file)) {
      writeFileSync(`${file}.new`, newSealingKey(), { mode: 0o600, flush: true });
      chmodSync(`${file}.new`, 0o600);
      renameSync(`${file}.new`, file);
    }
    return readFileSync(file, 'utf8');
  };
  return {
    publicKey: () => publicKeyOf(privateKey()),
    unseal: (sealed) => unseal(privateKey(), sealed),
    digest: (text) => createHmac('sha256', privateKey()).update(text).digest('base64url'),
    sealAt(document, paths) {
      const copy = structuredClone(document);
      const publicKey = publicKeyOf(privateKey());
      for (const path of paths) {
        const holder = path.slice(0, -1).reduce<unknown>((inner, key) => (inner as Record<string | number, unknown>)[key], copy) as Record<string | number, unknown>; // paths come from this document
        const value = holder[path.at(-1) ?? ''];
        if (typeof value === 'string' && !isSealed(value)) holder[path.at(-1) ?? ''] = seal(publicKey, value);
      }
      return copy;
    },
  };
}
