/**
 * Templates as rows. A template is one version of what its name means: versions are counted, and the name alone means the latest that is ready.
 *
 * It keeps hardware without identity: no MAC addresses, no serial numbers of disks, no id. Its images lie in storage (`TemplateImages`).
 */
import { and, asc, desc, eq, or, type SQL, sql as raw } from 'drizzle-orm';
import type { Tx } from '../../core/db.ts';
import { isId } from '../../core/id.ts';
import { Problem } from '../../core/problem.ts';
import type { Core } from '../../core/services.ts';
import type { DiskSettings, NicSettings } from '../definition/hardware.ts';
import { templateFault, type TemplateVerb } from './rules.ts';
import type { KeptConfig } from '../snapshot/snapshots.ts';
import { vmTemplateDiskTable, vmTemplateTable } from '../table.ts';

export type TemplateRow = typeof vmTemplateTable.$inferSelect;
export type TemplateDisk = typeof vmTemplateDiskTable.$inferSelect;
export type TemplateHardware = Omit<KeptConfig['hardware'], 'cdrom'>;

export interface TemplateNic {
  slot: number;
  network: string;
  settings: NicSettings;
}

export type Templates = ReturnType<typeof createTemplates>;

/** As in a path: `debian:3`. */
export const nameOfTemplate = (template: Pick<TemplateRow, 'name' | 'version'> | undefined): string => (template ? `${template.name}:${template.version}` : '');

/** Hardware and NICs without what makes a VM that one. A CD-ROM or a floppy disk was there to install from. */
export function withoutIdentity({ hardware: { cdrom: _cdrom, ...hardware }, disks, nics }: KeptConfig): { hardware: TemplateHardware; disks: { diskId: string; slot: number; settings: DiskSettings }[]; nics: TemplateNic[] } {
  return {
    hardware: { ...hardware, hardware: { ...hardware.hardware, floppy: null } },
    disks: disks.map(({ diskId, slot, settings }) => ({ diskId, slot, settings: { ...settings, serial: null } })),
    nics: nics.map(({ slot, network, settings }) => ({ slot, network, settings })),
  };
}

export function createTemplates({ database, journal }: Pick<Core, 'database' | 'journal'>) {
  const { sql } = database;
  const versions = (name: string): TemplateRow[] => sql.select().from(vmTemplateTable).where(eq(vmTemplateTable.name, name)).orderBy(desc(vmTemplateTable.version)).all();
  const find = (ref: string): TemplateRow | undefined => {
    if (isId(ref)) return sql.select().from(vmTemplateTable).where(eq(vmTemplateTable.id, ref)).get();
    const [, name = '', version] = /^(.*?)(?::(\d{1,6}))?$/.exec(ref) ?? [];
    const all = versions(name);
    return version === undefined ? (all.find(({ state }) => state === 'ok') ?? all[0]) : all.find((row) => row.version === Number(version));
  };
  const disks = (templateId: string): TemplateDisk[] => sql.select().from(vmTemplateDiskTable).where(eq(vmTemplateDiskTable.templateId, templateId)).orderBy(asc(vmTemplateDiskTable.slot)).all();
  const requireTemplate = (ref: string): TemplateRow => {
    const row = find(ref);
    if (!row) throw new Problem('not-found', `There is no template "${ref}". It may have been deleted or renamed.`);
    return row;
  };
  const note = (tx: Tx, row: TemplateRow, what: 'created' | 'updated' | 'deleted') => journal.site(tx, { kind: 'template', id: row.id, what, after: what === 'deleted' ? null : row });

  return {
    find, versions, disks,
    idColumn: vmTemplateTable.id,
    diskLinks: raw`select ${vmTemplateDiskTable.diskId} as child, ${vmTemplateDiskTable.templateId} as parent from ${vmTemplateDiskTable}`,
    list: (visible: SQL | undefined): TemplateRow[] => sql.select().from(vmTemplateTable).where(and(visible)).orderBy(asc(vmTemplateTable.name), desc(vmTemplateTable.version)).all(),
    require: requireTemplate,
    /** As `require`, and throws `wrong-state` unless that may begin now. */
    requireFor(verb: TemplateVerb, ref: string): TemplateRow {
      const row = requireTemplate(ref);
      const fault = templateFault(verb, row);
      if (fault) throw new Problem('wrong-state', fault);
      return row;
    },
    usersOfDisk: (diskId: string) => sql.select({ template: vmTemplateTable }).from(vmTemplateDiskTable).innerJoin(vmTemplateTable, eq(vmTemplateTable.id, vmTemplateDiskTable.templateId))
      .where(or(eq(vmTemplateDiskTable.diskId, diskId))).all().map(({ template }) => ({ kind: 'template', id: template.id, name: nameOfTemplate(template), isActive: false })),
    insert(tx: Tx, row: TemplateRow, images: Omit<TemplateDisk, 'templateId'>[]): void {
      tx.sql.insert(vmTemplateTable).values(row).run();
      for (const image of images) tx.sql.insert(vmTemplateDiskTable).values({ ...image, templateId: row.id }).run();
      note(tx, row, 'created');
    },
    /** A change of the wish by people: the generation grows. */
    edit(tx: Tx, row: TemplateRow, changes: Partial<TemplateRow>): TemplateRow {
      return this.update(tx, row, { ...changes, generation: row.generation + 1 });
    },
    update(tx: Tx, row: TemplateRow, changes: Partial<TemplateRow>): TemplateRow {
      const after = { ...row, ...changes };
      tx.sql.update(vmTemplateTable).set(changes).where(eq(vmTemplateTable.id, row.id)).run();
      note(tx, after, 'updated');
      return after;
    },
    remove(tx: Tx, row: TemplateRow): void {
      tx.sql.delete(vmTemplateTable).where(eq(vmTemplateTable.id, row.id)).run();
      note(tx, row, 'deleted');
    },
  };
}
