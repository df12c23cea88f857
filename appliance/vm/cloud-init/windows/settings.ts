/** The settings for Windows as they are kept: a part of those of cloud-init. Windows takes no hash, so its password is kept as it is. */
import { Problem } from '../../../core/problem.ts';
import type { WindowsDetails, WindowsWish } from './schema.ts';

export interface Windows {
  computerName: string | null;
  user: string | null;
  password: string | null;
  owner: string | null;
  organisation: string | null;
  timeZone: string | null;
  language: string | null;
  productKey: string | null;
  answerFile: string | null;
}

export const noWindows: Windows = { computerName: null, user: null, password: null, owner: null, organisation: null, timeZone: null, language: null, productKey: null, answerFile: null };

/** What is not said stays; null takes all of it away. */
export function mergeWindows(before: Windows | null | undefined, wish: WindowsWish | null | undefined): Windows | null {
  if (wish === undefined) return before ?? null;
  if (wish === null) return null;
  const given = Object.fromEntries(Object.entries(wish).filter(([name, value]) => name in noWindows && value !== undefined)) as Partial<Windows>; // its own names
  const merged = { ...noWindows, ...before, ...given };
  if (merged.user !== null && merged.password === null) throw new Problem('invalid-input', 'A user of Windows needs a password. Give one, or no user.', { errors: [{ path: 'windows.password', message: 'Give a password for that user.' }] });
  return { ...merged, answerFile: merged.answerFile?.trim() ? merged.answerFile : null };
}

export function shownWindows(kept: Windows | null | undefined, mayEdit: boolean): WindowsDetails | null {
  if (!kept) return null;
  const { password, productKey, answerFile, ...rest } = kept;
  return { ...rest, hasPassword: password !== null, hasProductKey: productKey !== null, answerFile: mayEdit ? answerFile : null };
}

/** For the journal. */
export function tellableWindows(kept: Windows | null | undefined) {
  if (!kept) return null;
  const { password, productKey, answerFile, ...rest } = kept;
  return { ...rest, hasPassword: password !== null, hasProductKey: productKey !== null, hasAnswerFile: answerFile !== null };
}
