/** What goes in and out of the verbs of consoles. */
import * as z from 'zod';
import { VmRef } from '../schema.ts';

export const ConsoleInput = VmRef.extend({ type: z.enum(['vnc', 'serial']).default('vnc').meta({ label: 'Console', widget: 'radio' }) });
export const ConsoleFileInput = VmRef.extend({ ticket: z.string().max(64).optional() });
export const ConsoleTicket = z.object({
  ticket: z.string(),
  type: z.enum(['vnc', 'serial']),
  /** Path of the WebSocket; works once, until `expiresAt`. */
  url: z.string(),
  expiresAt: z.int(),
});
