/** The set-up code: the way in while no administrator can sign in, and after somebody at the machine has reset the password. */
import type { Tx } from '../core/db.ts';
import type { Core } from '../core/services.ts';
import { newSetupCode } from './password.ts';
import { setupTable } from './table.ts';

export function createSetupCode({ database, clock }: Pick<Core, 'database' | 'clock'>, hasAdministrator: () => boolean) {
  const known = () => database.sql.select().from(setupTable).get()?.code;
  const drop = (tx: Tx) => { tx.sql.delete(setupTable).run(); };
  const make = (tx: Tx): string => {
    const code = newSetupCode();
    drop(tx);
    tx.sql.insert(setupTable).values({ code, createdAt: clock.now() }).run();
    return code;
  };
  return {
    /** A password may be set with the code. */
    needsSetup: (): boolean => known() !== undefined || !hasAdministrator(),
    /** The code to show while `needsSetup`; made on first demand. */
    setupCode(): string | undefined {
      return known() ?? (hasAdministrator() ? undefined : database.write({ actor: 'system', operation: 'setup' }, make));
    },
    /** A new one in place of any other. */
    renewSetupCode: make,
    dropSetupCode: drop,
  };
}
