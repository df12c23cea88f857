/** What goes in and out of the verbs of this slice. Times are milliseconds since the epoch. */
import * as z from 'zod';
import { isWebAddress } from '../core/address.ts';
import { windowPattern } from './policy-rules.ts';
import { versionPattern } from './versions.ts';

const allowOlder = z.boolean().default(false).meta({ label: 'Allow an older version', help: 'For recovery only: an older version may have errors that were mended since.' });
const shutdownSeconds = z.number().int().min(10).max(3_600).default(180).meta({ label: 'Time to shut down', help: 'Seconds that virtual machines get to shut down before they are powered off.' });

const cutOff = z.boolean().default(false).meta({ label: 'Cut off what cannot be seen', help: 'While libvirt does not answer, virtual machines cannot be shut down. The restart then ends them as a power cut would.' });

export const InstallInput = z.object({
  url: z.url().max(2_048).meta({ label: 'Address', help: 'Where the update lies: http or https, also at another appliance.' }),
  allowOlder,
});
export const StickInput = z.object({
  version: z.string().regex(versionPattern).meta({ label: 'Version', help: 'Of an update on a plugged in stick.' }),
  allowOlder,
});
export const UploadInput = z.object({ allowOlder: z.stringbool().default(false).meta({ label: 'Allow an older version' }) });
export const SwitchInput = z.object({
  shutdownSeconds, cutOff,
  retry: z.boolean().default(false).meta({ label: 'Try again', help: 'Also a version that did not come up before.' }),
});
export const RollbackInput = z.object({
  shutdownSeconds, cutOff,
  acceptLoss: z.boolean().default(false).meta({ label: 'Accept the older records', help: 'Where the older version cannot read the records of this one, it goes back to its own: what was changed since then is put aside.' }),
});

const policyFields = {
  source: z.string().max(2_048).refine(isWebAddress, 'An address that begins with https:// or http://, without user and password in it.').nullable()
    .meta({ label: 'Address', help: 'Where the newest update always lies under the same name. It is looked at once a day; without one nobody is asked.' }),
  install: z.enum(['by-hand', 'in-window']).meta({ label: 'Install', help: 'In the window: a newer version is installed when it is found, and the machine restarts into it when the window opens.' }),
  window: z.string().regex(windowPattern, 'Two times of the day such as "02:00-04:00", in quotes.')
    .meta({ label: 'Window', help: 'Local time in which an update may restart this machine by itself.' }),
};
export const UpdatePolicy = z.object(policyFields);
export const UpdatePolicyInput = UpdatePolicy.partial();
export const UpdatePolicyOutput = UpdatePolicy.extend({
  generation: z.number().int(),
  /** What lies at the address; null before it was looked at. */
  found: z.object({
    lookedAt: z.number().int(),
    /** Null where that cannot be told. */
    version: z.string().nullable(), createdAt: z.number().int().nullable(),
    /** Why it cannot be installed here now; null when it can. */
    fault: z.string().nullable(),
  }).nullable(),
  /** Why what is found is not installed or switched to by itself just now; null when nothing waits. */
  waitsFor: z.string().nullable(),
});

export const VersionName = z.string().regex(versionPattern);

export const SlotOutput = z.object({
  version: z.string(),
  /** `installed`: can be switched to. `spare`: has come up well before. `bad`: did not come up. */
  state: z.enum(['running', 'installed', 'trying', 'spare', 'bad']),
  /** When this version was made; null where that is not known. */
  createdAt: z.number().int().nullable(),
});

export const UpdateOutput = z.object({
  /** False where the machine does not run the host image; `reason` says why. */
  isSupported: z.boolean(),
  reason: z.string(),
  /** Version of the system that runs. */
  running: z.string(),
  slots: z.array(SlotOutput),
  /** Updates on plugged in sticks; none is installed by itself. */
  onSticks: z.array(z.object({
    /** Such as `the volume UPDATES (/dev/sdb1)`. */
    source: z.string(), file: z.string(), sizeBytes: z.number().int(),
    /** Null where that cannot be told. */
    version: z.string().nullable(), createdAt: z.number().int().nullable(),
    /** Why it cannot be installed here now; null when it can. */
    fault: z.string().nullable(),
  })),
  /** What a switch goes to; null when nothing is installed that has not run. */
  next: z.string().nullable(),
  /** What a rollback goes to. */
  previous: z.string().nullable(),
  /** The older version would find records of another kind: going back loses what was changed since. */
  rollbackLosesChanges: z.boolean(),
  /** Task that installs or switches now. */
  task: z.uuid().nullable(),
  /** The version that runs has not proved itself yet. */
  isOnTrial: z.boolean(),
  /** What the version on trial still lacks. */
  missing: z.array(z.string()),
  last: z.object({
    from: z.string(), to: z.string(), at: z.number().int(), result: z.enum(['pending', 'committed', 'failed']), endedAt: z.number().int().nullable(), reasons: z.array(z.string()),
  }).nullable(),
  /** Ids of the keys that updates may be signed with. */
  keys: z.array(z.string()),
});

export const UploadState = z.object({
  id: z.uuid(), receivedBytes: z.number().int(), totalBytes: z.number().int().nullable(), actor: z.string(), createdAt: z.number().int(),
});

export const GateOutput = z.object({
  isOnTrial: z.boolean(),
  /** Another slot could be returned to. */
  hasFallback: z.boolean(),
  missing: z.array(z.string()),
});
