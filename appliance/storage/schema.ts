/** What goes in and out of the verbs of this slice. Sizes are bytes, times are milliseconds since the epoch. */
import * as z from 'zod';
import { namesOf } from '../activity/sample-rules.ts';
import { samplesInput, samplesOutput } from '../activity/schema.ts';
import { nameSchema, refSchema } from '../core/id.ts';
import { GiB, MiB, TiB } from '../core/units.ts';

const limit = z.coerce.number().int().min(1).max(1000).default(100).meta({ label: 'Limit', help: 'Entries in one answer.' });
const after = z.string().max(128).optional().meta({ label: 'After', help: 'Value of `next` in the answer before.' });
const pageOf = <T extends z.ZodType>(item: T) => z.object({ items: z.array(item), next: z.string().nullable() });

export const ListInput = z.object({ limit, after });

export const descriptionSchema = z.string().trim().max(500, 'At most 500 characters.').meta({ label: 'Description', help: 'What it is for.', widget: 'textarea' });

/** QEMU counts in sectors; file systems end at 16 TiB and above. */
export const diskSizeSchema = z
  .number().int().min(MiB, 'At least 1 MiB.').max(64 * TiB, 'At most 64 TiB.')
  .multipleOf(512, 'A disk has whole sectors: use a multiple of 512 bytes.')
  .meta({ label: 'Size', unit: 'bytes', help: 'What the guest sees. It can be enlarged later, never made smaller.' });

export const diskFormatSchema = z.enum(['raw', 'cow']).meta({ label: 'Format', widget: 'radio', help: 'cow (qcow2) allows snapshots. raw is a little faster.' });
export const allocationSchema = z.enum(['sparse', 'preallocated'])
  .meta({ label: 'Allocation', widget: 'radio', help: 'sparse takes room as the guest writes. preallocated takes it all now, so that the disk can never run out.' });
export const imageFormatSchema = z.enum(['raw', 'qcow2', 'vmdk', 'vhdx', 'vdi']);

/** Files of an ISO domain are named as they come: letters, digits, and what download pages put into names. */
const fileName = (endings: string, message: string) => z.string().max(128, 'At most 128 characters.')
  .regex(new RegExp(`^[\\p{L}\\p{N}][\\p{L}\\p{N}\\p{M} ._+~()-]*\\.(?:${endings})$`, 'iu'), message);
const floppyEndings = 'vfd|flp|ima|img';
export const isoNameSchema = fileName('iso', 'Start with a letter or digit and end with ".iso"; between, letters, digits, space and . _ + ~ ( ) -');
export const floppyNameSchema = fileName(floppyEndings, 'Start with a letter or digit and end with ".vfd", ".flp", ".ima" or ".img"; between, letters, digits, space and . _ + ~ ( ) -');
export const ovaNameSchema = fileName('ova', 'Start with a letter or digit and end with ".ova"; between, letters, digits, space and . _ + ~ ( ) -');
export const mediumNameSchema = fileName(`iso|ova|${floppyEndings}`, 'Start with a letter or digit and end with ".iso", with ".vfd", ".flp", ".ima" or ".img" for a floppy disk, or with ".ova" for a machine; between, letters, digits, space and . _ + ~ ( ) -');
export const isOvaName = (name: string): boolean => ovaNameSchema.safeParse(name).success;
export const isFloppyName = (name: string): boolean => floppyNameSchema.safeParse(name).success;

// ---------------------------------------------------------------------------------------------- domains

export const DomainOutput = z.object({
  id: z.uuid(),
  name: z.string(),
  description: z.string(),
  /** Disks of VMs, or installation images. */
  kind: z.enum(['data', 'iso']),
  type: z.enum(['local']),
  /** `unknown` until it was looked at. */
  status: z.enum(['active', 'inactive', 'unknown']),
  /** Why it is inactive, and what to do. */
  reason: z.string(),
  space: z.enum(['ok', 'low', 'critical']),
  totalBytes: z.number().int(),
  freeBytes: z.number().int(),
  /** Promised to writes under way. */
  reservedBytes: z.number().int(),
  lowSpacePercent: z.number().int(),
  criticalSpaceBytes: z.number().int(),
  since: z.number().int().nullable(),
  generation: z.number().int(),
});
export const DomainPage = pageOf(DomainOutput);

export const DomainHistoryInput = z.object({ domain: refSchema, ...samplesInput });
export const DomainHistoryOutput = samplesOutput(namesOf('storage-domain'));

export const DomainEditInput = z.object({
  domain: refSchema,
  description: descriptionSchema.optional(),
  lowSpacePercent: z.number().int().min(0).max(99).optional().meta({ label: 'Low below', unit: 'percent', help: 'Warn when less than this share is free.' }),
  criticalSpaceBytes: z.number().int().min(0).max(1024 * GiB).optional()
    .meta({ label: 'Critical below', unit: 'bytes', help: 'Room that no new disk or upload may take, so that running guests can go on writing.' }),
});

// ---------------------------------------------------------------------------------------------- ISO files

export const FileOutput = z.object({
  name: z.string(),
  sizeBytes: z.number().int(),
  modifiedAt: z.number().int(),
  /** Null for a file that did not come through an upload. */
  sha256: z.string().nullable(),
  state: z.enum(['ok', 'deleting']),
  usedBy: z.array(z.object({ kind: z.string(), id: z.string(), name: z.string() })),
});
export const FilePage = pageOf(FileOutput);
export const FileInput = z.object({ domain: refSchema, name: mediumNameSchema });

// ---------------------------------------------------------------------------------------------- uploads

export const UploadOutput = z.object({
  id: z.uuid(),
  state: z.enum(['receiving', 'importing']),
  /** Where to go on: send the rest with "Content-Range: bytes receivedBytes-...". */
  receivedBytes: z.number().int(),
  totalBytes: z.number().int().nullable(),
  format: imageFormatSchema.nullable(),
  actor: z.string(),
  createdAt: z.number().int(),
});

// ---------------------------------------------------------------------------------------------- disks

export const DiskOutput = z.object({
  id: z.uuid(),
  name: z.string(),
  description: z.string(),
  domain: z.string(),
  format: diskFormatSchema,
  allocation: allocationSchema,
  sizeBytes: z.number().int(),
  /** Null until it was looked at. */
  occupiedBytes: z.number().int().nullable(),
  state: z.enum(['creating', 'ok', 'locked', 'illegal', 'template']),
  /** Name of the image of a template that it lies on; null for a disk that stands for itself. */
  base: z.string().nullable(),
  usedBy: z.array(z.object({ kind: z.string(), id: z.string(), name: z.string() })),
  generation: z.number().int(),
  createdAt: z.number().int(),
});
export const DiskPage = pageOf(DiskOutput);

export const DiskCreateInput = z.object({
  name: nameSchema.meta({ label: 'Name', help: 'How lists and tools call it.' }),
  description: descriptionSchema.default(''),
  sizeBytes: diskSizeSchema,
  format: diskFormatSchema.default('cow'),
  allocation: allocationSchema.default('sparse'),
  domain: refSchema.default('local').meta({ label: 'Storage domain', help: 'Where the disk lies.' }),
});

export const DiskInput = z.object({ disk: refSchema });
export const DiskEditInput = z.object({
  disk: refSchema,
  name: nameSchema.optional().meta({ label: 'Name', help: 'How lists and tools call it.' }),
  description: descriptionSchema.optional(),
});
export const DiskResizeInput = z.object({ disk: refSchema, sizeBytes: diskSizeSchema });
export const DiskUploadInput = z.object({
  disk: refSchema,
  format: imageFormatSchema.optional().meta({ label: 'Format', help: 'What the file is. The header x-image-format says the same.' }),
});
export const DiskDownloadInput = z.object({
  disk: refSchema,
  format: z.enum(['raw', 'qcow2']).optional().meta({ label: 'Format', help: 'The format of the disk unless told; another is converted first.' }),
});
