/**
 * Secrets that only one machine can read: sealed with its public key (X25519, HKDF-SHA256, AES-256-GCM), so that they can be
 * sealed anywhere and the file can lie on a stick or in a repository.
 *
 *   sealed:v1:<base64url of: ephemeral public key (32) | nonce (12) | tag (16) | ciphertext>
 */
import { createCipheriv, createDecipheriv, createPrivateKey, createPublicKey, diffieHellman, generateKeyPairSync, hkdfSync, type KeyObject, randomBytes } from 'node:crypto';

const prefix = 'sealed:v1:';
export const sealedPattern = /^sealed:v1:[A-Za-z0-9_-]{80,}$/;

export const isSealed = (text: unknown): text is string => typeof text === 'string' && text.startsWith('sealed:');

/** A new private key, to be kept where only we can read it. */
export function newSealingKey(): string {
  return generateKeyPairSync('x25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
}

export function publicKeyOf(privateKey: string): string {
  return rawPublic(createPublicKey(createPrivateKey(privateKey))).toString('base64url');
}

const rawPublic = (key: KeyObject) => Buffer.from(key.export({ format: 'jwk' }).x ?? '', 'base64url');
const fromRaw = (raw: Buffer) => createPublicKey({ key: { kty: 'OKP', crv: 'X25519', x: raw.toString('base64url') }, format: 'jwk' });

/** Throws when `publicKey` is none. */
export function seal(publicKey: string, secret: string): string {
  const recipient = fromRaw(Buffer.from(publicKey, 'base64url'));
  const own = generateKeyPairSync('x25519');
  const ephemeral = rawPublic(own.publicKey);
  const nonce = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', keyOf(diffieHellman({ privateKey: own.privateKey, publicKey: recipient }), ephemeral, rawPublic(recipient)), nonce);
  const ciphertext = Buffer.concat([cipher.update(secret, 'utf8'), cipher.final()]);
  return prefix + Buffer.concat([ephemeral, nonce, cipher.getAuthTag(), ciphertext]).toString('base64url');
}

/** `undefined` when it was sealed to another machine, or changed since. */
export function unseal(privateKey: string, sealed: string): string | undefined {
  if (!sealedPattern.test(sealed)) return undefined;
  const parts = Buffer.from(sealed.slice(prefix.length), 'base64url');
  const own = createPrivateKey(privateKey);
  try {
    const ephemeral = parts.subarray(0, 32);
    const key = keyOf(diffieHellman({ privateKey: own, publicKey: fromRaw(ephemeral) }), ephemeral, rawPublic(createPublicKey(own)));
    const decipher = createDecipheriv('aes-256-gcm', key, parts.subarray(32, 44));
    decipher.setAuthTag(parts.subarray(44, 60));
    return Buffer.concat([decipher.update(parts.subarray(60)), decipher.final()]).toString('utf8');
  } catch {
    return undefined;
  }
}

function keyOf(shared: Buffer, ephemeral: Buffer, recipient: Buffer): Buffer {
  return Buffer.from(hkdfSync('sha256', shared, Buffer.concat([ephemeral, recipient]), 'bothy site file', 32));
}
