/** Calls of the API in tests that look into the answers of all operations: by the path alone, and with what they begin waited for. */
import type { TestApp } from './app.ts';

// biome-ignore lint/suspicious/noExplicitAny: a test looks into answers of all operations
export type Json = any;

/** `siteOf` is asked at each call: every test opens its own. */
export const callsOf = (siteOf: () => TestApp) => ({
  send: (method: string, path: string, body?: unknown) => siteOf().send<Json>(method, `/api/v1${path}`, body),
  carryOut: (method: string, path: string, body?: unknown) => siteOf().carryOut(method, `/api/v1${path}`, body),
});

/** Until nothing runs: what is begun may begin more. */
export async function settled({ app }: TestApp): Promise<void> {
  for (let rows = app.core.tasks.list({ limit: 100, isActive: true }); rows.length > 0; rows = app.core.tasks.list({ limit: 100, isActive: true })) {
    for (const { id } of rows) await app.core.tasks.ended(id);
  }
}
