/** Keys and small bundles for tests: signed as real ones are. */
import { generateKeyPairSync } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeBundle, type Wish } from '../../appliance/update/bundle-tool.ts';

export interface Foundry {
  /** Folder of the public key. */
  keysPath: string;
  /** A bundle of that version as bytes; `more` changes what it says. */
  make(version: string, more?: Partial<Wish>): Promise<Buffer>;
  close(): void;
}

export function openFoundry(): Foundry {
  const folder = mkdtempSync(join(tmpdir(), 'bothy-foundry-'));
  const keysPath = join(folder, 'keys');
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  mkdirSync(keysPath);
  writeFileSync(join(keysPath, 'test.pem'), publicKey.export({ type: 'spki', format: 'pem' }));
  return {
    keysPath,
    async make(version, more = {}) {
      const files = { kernel: join(folder, 'kernel'), root: join(folder, 'root') };
      writeFileSync(files.kernel, `kernel of ${version}`);
      writeFileSync(files.root, `root of ${version}`.padEnd(10_000, '.'));
      const out = join(folder, 'out');
      await makeBundle({ version, architecture: 'x86_64', minimumVersion: '0', createdAt: 1_700_000_000_000, files, keys: [privateKey], out, ...more });
      return readFileSync(out);
    },
    close: () => rmSync(folder, { recursive: true }),
  };
}
