/** The verbs of the host's power: shut down and restart, its VMs first. */
import { startTask } from '../core/operation.ts';
import { Problem } from '../core/problem.ts';
import { type HostServices, requireThis } from './operations.ts';
import { leavingTask, type PowerInput, type PowerVerb } from './power-task.ts';
import { HostPowerInput } from './schema.ts';

function powerVerb(verb: PowerVerb, summary: string) {
  return startTask<HostServices>()({
    id: `host.${verb}`, method: 'POST', path: `/hosts/{host}/${verb}`, permission: 'host.power', summary,
    input: HostPowerInput,
    async prepare(services, _call, { host }) {
      const { hostname } = await services.machine.facts();
      requireThis(services, { hostname }, host);
      return { hostName: hostname, bootId: await services.world.power.bootId() };
    },
    run({ tasks, clock, hostId }, tx, { deadlineSeconds }, { hostName, bootId }) {
      if (leavingTask(tasks, hostId, bootId)) throw new Problem('wrong-state', 'This host is already being shut down or restarted. Cancel that task first, or wait.');
      const input: PowerInput = { host: hostId, hostName, bootId, askedAt: clock.now(), deadlineMs: deadlineSeconds * 1000 };
      return tasks.start(tx, `host.${verb}`, input, [{ kind: 'host', id: hostId, name: hostName }]);
    },
  });
}

export const hostShutdown = powerVerb('shutdown', 'Shut the host down, its VMs first');
export const hostReboot = powerVerb('reboot', 'Restart the host, its VMs first');

export const powerOperations = [hostShutdown, hostReboot];
