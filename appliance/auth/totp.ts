/**
 * Codes of six digits that change every half minute, as authenticator apps make them: RFC 6238 with HMAC-SHA-1. The code of the half minute
 * before and of the one to come count, too, for clocks that differ a little; none counts twice.
 */
import { createHmac, randomBytes } from 'node:crypto';
import { isSameSecret } from './password.ts';

const stepMs = 30_000;
const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

/** 160 bits, in the letters that apps read (RFC 4648, base 32). */
export function newTotpSecret(): string {
  return encode(randomBytes(20));
}

function encode(bytes: Buffer): string {
  const bits = [...bytes].map((byte) => byte.toString(2).padStart(8, '0')).join('');
  return (bits.match(/.{5}/g) ?? []).map((five) => letters[Number.parseInt(five, 2)]).join('');
}

function decode(text: string): Buffer {
  const bits = [...text].map((letter) => letters.indexOf(letter).toString(2).padStart(5, '0')).join('');
  return Buffer.from((bits.match(/.{8}/g) ?? []).map((eight) => Number.parseInt(eight, 2)));
}

/** The code of one half minute. */
export function totpCode(secret: string, step: number): string {
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(step));
  const digest = createHmac('sha1', decode(secret)).update(counter).digest();
  const offset = (digest.at(-1) ?? 0) & 15;
  return String((digest.readUInt32BE(offset) & 0x7fffffff) % 1_000_000).padStart(6, '0');
}

export const totpStep = (now: number): number => Math.floor(now / stepMs);

/** The half minute that the code belongs to; `undefined` when it is wrong, or not later than `lastStep`. */
export function matchTotp({ secret, lastStep }: { secret: string; lastStep: number }, code: string, now: number): number | undefined {
  const current = totpStep(now);
  return [current, current - 1, current + 1].find((step) => step > lastStep && isSameSecret(totpCode(secret, step), code));
}

/** What the QR code says: apps show it as "Bothy (admin@internal)". */
export function totpUri(secret: string, user: string): string {
  return `otpauth://totp/Bothy:${encodeURIComponent(user)}?secret=${secret}&issuer=Bothy`;
}
