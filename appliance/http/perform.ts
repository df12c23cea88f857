/**
 * Operations carried out by the appliance itself, such as those of a site file: through the same check, transaction and audit line as
 * a request, only without a connection.
 */
import { grantable } from '../auth/rules.ts';
import { wholeReach } from '../core/objects.ts';
import { type BoundOperation, type Call, pathParameters } from '../core/operation.ts';
import { Problem } from '../core/problem.ts';
import type { Core } from '../core/services.ts';
import type { Perform, Performer } from '../provision/services.ts';
import { type Audit, createExecute } from './execute.ts';
import { checkInput } from './input.ts';

const permissions = new Set<string>(grantable);
const reach = wholeReach(permissions);

export function createPerform(core: Core, audit: Audit, operations: BoundOperation[]): Perform {
  const byId = new Map(operations.map((bound) => [bound.record.id, bound]));
  const execute = createExecute(core, audit);
  const find = (id: string): BoundOperation => {
    const bound = byId.get(id);
    if (!bound) throw new Error(`there is no operation ${id}`);
    return bound;
  };
  const callOf = ({ actor: name, requestId, signal }: Performer): Call => {
    const actor = { id: 'system', name, permissions, reach, credential: 'system' };
    return { requestId, signal, actor, from: 'site file', at: core.clock.now(), isSecure: true, answerHeaders: new Headers(), renew: () => actor };
  };
  const subjectOf = ({ record }: BoundOperation, input: Record<string, unknown>) => {
    const inPath = pathParameters(record.path);
    return Object.fromEntries((inPath.length > 0 ? inPath : ['name']).filter((name) => name in input).map((name) => [name, String(input[name])]));
  };
  return {
    async run(id, input, by) {
      const bound = find(id);
      const { body, task } = await execute({ bound, call: callOf(by), input: checkInput(bound.record, input), subject: subjectOf(bound, input), terms: { isDryRun: false } });
      return { body, task };
    },
    async send(id, input, by, request) {
      const bound = find(id);
      if (bound.record.kind !== 'stream') throw new Error(`${id} takes no bytes`);
      const entry = (outcome: string) => ({ actor: by.actor, from: 'site file', operation: id, subject: subjectOf(bound, input), outcome, requestId: by.requestId });
      try {
        const response = await bound.record.run(bound.services, callOf(by), checkInput(bound.record, input) as never, request); // checked by the record's schema
        audit(null, entry(response.ok ? 'ok' : String(response.status)));
        return response;
      } catch (error) {
        audit(null, entry(error instanceof Problem ? error.type : 'internal'));
        throw error;
      }
    },
  };
}
