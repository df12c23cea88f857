/** Passwords of guests as their systems keep them: SHA-512 crypt, which all of them read. By openssl, because Node has none; the password goes in by its standard input. */
import { run } from '../../core/run.ts';
import type { CloudInitWish } from './schema.ts';

/** A wish without its password: what may be kept. */
export type SafeWish = Omit<CloudInitWish, 'password'>;

export async function withoutPassword<T extends CloudInitWish>(wish: T): Promise<Omit<T, 'password'>> {
  const { password, ...rest } = wish;
  return password === undefined ? rest : { ...rest, passwordHash: await hashForGuest(password) };
}

async function hashForGuest(password: string): Promise<string> {
  const { stdout } = await run(['openssl', 'passwd', '-6', '-stdin'], { timeoutMs: 30_000, input: `${password}\n` });
  return stdout.trim();
}

/** The same of a wish that may not be there. */
export const safeWish = async (wish: CloudInitWish | undefined): Promise<SafeWish | undefined> => wish && withoutPassword(wish);
