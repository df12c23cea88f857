/** Roles on single things that a slice to the right gives and takes back with what somebody has there, such as a VM out of a pool. */
import type { Tx } from '../core/db.ts';
import type { Assignments } from './assignments.ts';
import type { People } from './people.ts';
import type { ObjectKindName, Role } from './rules.ts';

export interface Holding {
  userId: string;
  role: Role;
  kind: ObjectKindName;
  objectId: string;
}

export interface Access {
  /** Somebody of that id may sign in here. */
  isUser(id: string): boolean;
  nameOf(id: string): string | undefined;
  give(tx: Tx, holding: Holding): void;
  takeBack(tx: Tx, holding: Holding): void;
}

export function createAccess({ people, assignments }: { people: Pick<People, 'userById'>; assignments: Assignments }): Access {
  const wishOf = (holding: Holding) => ({ ...holding, groupId: null });
  return {
    isUser: (id) => people.userById(id) !== undefined,
    nameOf: (id) => people.userById(id)?.name,
    give(tx, holding) {
      if (!assignments.find(wishOf(holding))) assignments.tell(tx, assignments.insert(tx, wishOf(holding)));
    },
    takeBack(tx, holding) {
      const row = assignments.find(wishOf(holding));
      if (!row) return;
      assignments.remove(tx, row);
      assignments.tell(tx, row);
    },
  };
}
