/**
 * What a field of a changed thing is called on its form, in the history of the configuration: the schemas of the forms say it. What is in no form
 * stays as the API calls it.
 */
import type * as z from 'zod';
import { destinationEdit } from '../appliance/activity/destination-operations.ts';
import { historyEdit } from '../appliance/activity/history-operations.ts';
import { assignmentCreate } from '../appliance/auth/assignment-operations.ts';
import { groupEdit } from '../appliance/auth/group-operations.ts';
import { tokenCreate } from '../appliance/auth/operations.ts';
import { quotaEdit } from '../appliance/auth/quota-operations.ts';
import { roleEdit } from '../appliance/auth/role-operations.ts';
import { signInRulesEdit } from '../appliance/auth/sign-in-operations.ts';
import { userEdit } from '../appliance/auth/user-operations.ts';
import { networkCreate } from '../appliance/network/operations.ts';
import { diskEdit, domainEdit } from '../appliance/storage/operations.ts';
import { poolEdit } from '../appliance/vm/pool/operations.ts';
import { snapshotEdit } from '../appliance/vm/snapshot/operations.ts';
import { vmCreate, vmEdit } from '../appliance/vm/operations.ts';
import { type FieldInfo, objectFields } from './field-info.ts';

const forms: Record<string, { input: z.ZodType }[]> = {
  vm: [vmEdit, vmCreate], disk: [diskEdit], network: [networkCreate], 'storage-domain': [domainEdit], snapshot: [snapshotEdit], pool: [poolEdit], history: [historyEdit], destination: [destinationEdit],
  user: [userEdit], group: [groupEdit], role: [roleEdit], quota: [quotaEdit], token: [tokenCreate], assignment: [assignmentCreate], 'sign-in-rules': [signInRulesEdit],
};

const known = new Map<string, Map<string, FieldInfo>>();

/** Fields by `<list>/<name>`: a name inside a list is another one than outside. */
function fieldsOf(kind: string): Map<string, FieldInfo> {
  const found = known.get(kind) ?? new Map<string, FieldInfo>();
  if (!known.has(kind)) for (const { input } of forms[kind] ?? []) collect(found, objectFields(input), '');
  known.set(kind, found);
  return found;
}

function collect(into: Map<string, FieldInfo>, fields: FieldInfo[], list: string): void {
  for (const field of fields) {
    const leaf = field.name.split('.').at(-1) ?? '';
    const key = `${list}/${leaf}`;
    if (!into.has(key)) into.set(key, field);
    collect(into, field.fields, field.kind === 'list' ? leaf : list);
  }
}

export interface Place {
  field: FieldInfo | undefined;
  /** The list that it is in, and the thing in that list. */
  list: FieldInfo | undefined;
  item: string | undefined;
  /** Names of the API that no form has a word for. */
  rest: string;
  /** Looks up what lies further inside. */
  inside(name: string): FieldInfo | undefined;
}

/** What the path of a difference leads to. */
export function placeOf(kind: string, path: string[]): Place {
  const fields = fieldsOf(kind);
  const at = path.findLastIndex((piece) => piece.startsWith('['));
  const list = at > 0 ? (path[at - 1] ?? '') : '';
  const leaf = path.length - 1 > at ? path.at(-1) : undefined;
  const item = at > 0 ? path[at]?.slice(1, -1) : undefined;
  return {
    item, list: fields.get(`/${list}`), field: leaf === undefined ? undefined : fields.get(`${list}/${leaf}`),
    rest: path.slice(at + 1).join('.') || list, inside: (name) => fields.get(`${list}/${name}`),
  };
}
