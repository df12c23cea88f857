/** What goes in and out of the settings for Windows: what its set-up, or a generalised system at its first start, is told by an answer file. */
import * as z from 'zod';
import { answerFileFault, computerNameFault, userNameFault } from './rules.ts';

const longestText = 65_536;

const judged = (most: number, fault: (text: string) => string | undefined, tooLong = `At most ${most} characters.`) => z.string().trim().max(most, tooLong).superRefine((value, { addIssue }) => {
  const message = fault(value);
  if (message) addIssue({ code: 'custom', message });
});
const word = (most: number) => z.string().trim().min(1, 'Leave it out instead.').max(most, `At most ${most} characters.`).regex(/^[^\p{C}]*$/u, 'No control characters.');

/** What is not given stays as it is; null takes it away. A secret that is not given stays, so an empty field of a form keeps it. */
export const WindowsWish = z.strictObject({
  computerName: judged(63, computerNameFault).nullable().optional()
    .meta({ label: 'Computer name', help: 'At most 15 letters, digits and dashes. Leave empty for one that is made of the name of the VM.' }),
  user: judged(20, userNameFault).nullable().optional()
    .meta({ label: 'User', help: 'An administrator beside the built-in one, with the same password. Windows for clients asks for a user at its first start unless it is told one.' }),
  password: z.string().min(1).max(127, 'At most 127 characters.').regex(/^[^\p{C}]*$/u, 'No control characters.').optional()
    .meta({ label: 'Password of Administrator', help: 'Windows takes no hash: it is kept in the database of this host and can be read on the small disk that the VM gets, until you take these settings away. Leave empty to keep the one that is set.', widget: 'password', secret: true }),
  owner: word(256).nullable().optional().meta({ label: 'Owner', help: 'Whom Windows is registered to.' }),
  organisation: word(256).nullable().optional().meta({ label: 'Organisation', help: 'The company whom Windows is registered to.' }),
  timeZone: z.string().trim().regex(/^[A-Za-z][A-Za-z0-9 .()+-]{1,63}$/, 'The name that Windows uses, such as W. Europe Standard Time.').nullable().optional()
    .meta({ label: 'Time zone', help: 'The name that Windows uses, such as W. Europe Standard Time or China Standard Time; "tzutil /l" lists them all. Set-up stops at a name that Windows does not know.' }),
  language: z.string().trim().regex(/^[a-z]{2,3}(-[A-Z][a-z]{3})?-([A-Z]{2}|[0-9]{3})$/, 'A language and a region, such as de-DE.').nullable().optional()
    .meta({ label: 'Language', help: 'Language, formats and keyboard, such as de-DE or zh-CN. The installation image must have that language.' }),
  productKey: z.string().trim().toUpperCase().regex(/^([A-Z0-9]{5}-){4}[A-Z0-9]{5}$/, 'Five groups of five letters and digits with dashes between them.').optional()
    .meta({ label: 'Product key', help: 'Leave empty to be asked by Windows, or to keep the one that is set.', widget: 'password', secret: true }),
  answerFile: judged(longestText, answerFileFault, 'At most 64 KiB.').nullable().optional()
    .meta({ label: 'Own answer file', help: 'In place of all of the above: a whole file for Windows Setup (unattend.xml). Who may change this VM can read it.', widget: 'code' }),
});
export type WindowsWish = z.output<typeof WindowsWish>;

const windowsMeta = { label: 'Windows', help: 'Windows Vista and later takes this when it is installed, or at the first start of a copy that was generalised by sysprep inside. Only a VM whose guest system is such a Windows is given it.' };
export const windowsField = WindowsWish.nullable().optional().meta(windowsMeta);
/** Of the VMs of a pool, each of which has a name of its own. */
export const poolWindowsField = WindowsWish.omit({ computerName: true }).nullable().optional().meta(windowsMeta);

export const WindowsOutput = z.object({
  computerName: z.string().nullable(),
  user: z.string().nullable(),
  hasPassword: z.boolean(),
  owner: z.string().nullable(),
  organisation: z.string().nullable(),
  timeZone: z.string().nullable(),
  language: z.string().nullable(),
  hasProductKey: z.boolean(),
  /** Null as well for whom may not change the VM. */
  answerFile: z.string().nullable(),
});
export type WindowsDetails = z.output<typeof WindowsOutput>;
