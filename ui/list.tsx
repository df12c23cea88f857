/**
 * Lists: a table on wide screens, a stack of rows on phones (each cell then shows its column's name).
 * A row's first link covers the row; other controls stay above it. Row ids keep focus and menus when the page morphs.
 */
import type { ObjectRef } from '../appliance/core/objects.ts';
import { createHash } from 'node:crypto';
import { raw } from 'hono/html';
import type { Child } from 'hono/jsx';
import { useUi } from './context.ts';
import { Icon } from './icon.tsx';

export interface Column<Row> {
  head: string;
  cell: (row: Row) => Child;
  /** `number`: right-aligned, even digits. `verbs`: the row's buttons. `main`: name and title of the row. */
  as?: 'main' | 'number' | 'verbs' | 'state';
  /** Left out below this width. */
  from?: 'tablet' | 'desktop' | 'wall';
}

export interface ListProps<Row> {
  label: string;
  rows: Row[];
  columns: Column<Row>[];
  rowId: (row: Row) => string;
  /** Address of the next page, if there is one. */
  next?: string | undefined;
  /** For long lists that are read often: what a row shows follows from the row, the language and the reader's rights alone, and is kept under this name. */
  keptAs?: string | undefined;
  /** The thing that a row is about, where rights on it decide what the row shows. */
  about?: ((row: Row) => ObjectRef) | undefined;
}

export function List<Row>({ label, rows, columns, rowId, next, keptAs, about }: ListProps<Row>) {
  return (
    <div class="list">
      <table aria-label={label}>
        <thead>
          <tr>{columns.map((column) => <th scope="col" data-as={column.as} data-from={column.from}>{heading(column)}</th>)}</tr>
        </thead>
        <tbody>{rows.map((row) => <Line id={rowId(row)} row={row} columns={columns} keptAs={keptAs} about={about} />)}</tbody>
      </table>
      {next && <NextPage href={next} />}
    </div>
  );
}

interface Written {
  cells: string;
  /** Short for the cells. */
  mark: string;
}

/** Rows as they were written last, the longest unused first. */
const kept = new Map<string, Written>();
const mostKept = 1_000;

/** Writing a row costs more than all else of a page, and of a hundred rows one has changed. */
function remembered(key: string, write: () => Written): Written {
  const written = kept.get(key) ?? write();
  kept.delete(key);
  kept.set(key, written);
  for (const oldest of kept.keys()) {
    if (kept.size <= mostKept) break;
    kept.delete(oldest);
  }
  return written;
}

/** `data-same` tells the browser which rows it has already, so that of a long list only what changed is compared and drawn. */
function Line<Row>({ id, row, columns, keptAs, about }: Pick<ListProps<Row>, 'columns' | 'keptAs' | 'about'> & { id: string; row: Row }) {
  const { locale, rights } = useUi();
  const write = (): Written => {
    const cells = columns.map((column) => String(<Cell column={column} row={row} />)).join('');
    return { cells, mark: createHash('sha256').update(cells).digest('base64url').slice(0, 8) };
  };
  const { cells, mark } = keptAs === undefined ? write() : remembered(JSON.stringify([keptAs, locale, rights(about?.(row)), row]), write);
  return <tr id={id} data-same={mark}>{raw(cells)}</tr>;
}

function heading<Row>(column: Column<Row>): Child {
  return column.as === 'verbs' ? <span class="sr">{column.head}</span> : column.head;
}

function Cell<Row>({ column, row }: { column: Column<Row>; row: Row }) {
  return <td data-as={column.as} data-from={column.from} data-label={column.as === undefined || column.as === 'number' ? column.head : undefined}>{column.cell(row)}</td>;
}

function NextPage({ href }: { href: string }) {
  const { t } = useUi();
  return <p class="list-next"><a class="button" href={href}>{t('list.next')}<Icon name="right" /></a></p>;
}

export interface FilterProps {
  /** Form address: the list itself. */
  action: string;
  /** Current search text. */
  search: string | undefined;
  /** Query parameter of the search; `search` unless told. */
  name?: string;
  label: string;
  children?: Child;
}

/** Search and filters of a list: a GET form that submits as one types. */
export function Filter({ action, search, name = 'search', label, children }: FilterProps) {
  return (
    <search class="filter-box">
      <form class="filter" action={action} method="get" hx-get={action} hx-trigger="input delay:250ms, change, submit"
        hx-target="#page" hx-select="#page" hx-swap="outerMorph" hx-replace-url="true">
        <label class="search"><Icon name="search" /><span class="sr">{label}</span>
          <input id="search" type="search" name={name} value={search ?? ''} placeholder={label} autocomplete="off" />
        </label>
        {children}
      </form>
    </search>
  );
}

/** One choice of a filter; the first option is "any". */
export function FilterChoice({ name, label, any, options, chosen }: {
  name: string; label: string; any: string; options: { value: string; label: string }[]; chosen: string | undefined }) {
  return (
    <select name={name} id={`filter-${name}`} aria-label={label}>
      <option value="">{any}</option>
      {options.map((option) => <option value={option.value} selected={option.value === chosen}>{option.label}</option>)}
    </select>
  );
}

/** The address of the page after this one: the same filters and the cursor; `undefined` at the end. */
export function nextPage(path: string, query: Record<string, string>, cursor: string | null): string | undefined {
  return cursor === null ? undefined : `${path}?${new URLSearchParams({ ...query, after: cursor })}`;
}

/** Only what is filled in; the empty choices of a filter say nothing. */
export function filledIn(query: Record<string, string>, names: string[]): Record<string, string> {
  return Object.fromEntries(names.flatMap((name) => (query[name] ? [[name, query[name]]] : [])));
}
