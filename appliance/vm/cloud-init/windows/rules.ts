/** What Windows accepts as names, what it is called when nobody says, and whether a file of one's own is an answer file at all. Pure. */
import type { GuestSystemName } from '../../definition/hardware.ts';
import { parseXml } from '../../definition/xml.ts';

/** The systems that read answer files. Those before (XP, 2000) have another way. */
export const readsAnswers = (os: GuestSystemName): boolean => os === 'windows-11' || os === 'windows-10' || os === 'windows-7';

/** NetBIOS has room for fifteen. */
export const longestComputerName = 15;

export function computerNameFault(name: string): string | undefined {
  if (name === '') return 'Leave it out instead.';
  if (name.length > longestComputerName) return `At most ${longestComputerName} characters: Windows takes no longer ones.`;
  if (!/^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?$/.test(name)) return 'Letters, digits and dashes; no dash at either end.';
  return /^\d+$/.test(name) ? 'Not digits alone.' : undefined;
}

/** Users and groups that every Windows has. */
const builtIn = new Set(['administrator', 'guest', 'administrators', 'users', 'guests', 'none', 'system', 'defaultaccount', 'network', 'service']);

export function userNameFault(name: string): string | undefined {
  if (name === '') return 'Leave it out instead.';
  if (/["/\\[\]:;|=,+*?<>@\p{C}]/u.test(name)) return 'None of the characters " / \\ [ ] : ; | = , + * ? < > @.';
  if (/^[. ]+$/.test(name) || name.endsWith('.')) return 'Not dots alone, and none at the end.';
  return builtIn.has(name.toLowerCase()) ? 'Windows has this name already.' : undefined;
}

/** Of a VM's name what Windows accepts. What is too long keeps its beginning and gets a mark that tells it from others that begin the same. */
export function computerNameOf(vmName: string, vmId: string): string {
  const plain = vmName.normalize('NFKD').replace(/[^A-Za-z0-9]+/g, '-').replace(/^-+|-+$/g, '');
  const tag = vmId.replaceAll('-', '').slice(0, 4);
  if (plain === '' || /^\d+$/.test(plain)) return `vm-${tag}`;
  return plain.length <= longestComputerName ? plain : `${plain.slice(0, longestComputerName - 5).replace(/-+$/, '')}-${tag}`;
}

export function answerFileFault(text: string): string | undefined {
  if (text.trim() === '') return undefined;
  if (/<!(DOCTYPE|ENTITY)/i.test(text)) return 'Without a document type (<!DOCTYPE ...>), please.';
  try {
    const root = parseXml(text);
    return root.name === 'unattend' ? undefined : 'Its outermost element must be <unattend>.';
  } catch {
    return 'This is not XML: an element is not closed, or something stands where it may not.';
  }
}
