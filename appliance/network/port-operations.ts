/** The verbs of the machine's own ports: see their addresses, set them on trial, confirm. */
import * as z from 'zod';
import { read, startTask, write } from '../core/operation.ts';
import { type FieldError, Problem } from '../core/problem.ts';
import type { Core } from '../core/services.ts';
import type { PortSettings, World } from '../world.ts';
import { type PortTaskInput, portTaskKind } from './port-task.ts';
import { findPort, noPort, portFault } from './rules.ts';
import { HostNetworkOutput, HostNetworkRef, PortInput } from './schema.ts';
import { portTrialTable } from './table.ts';

export interface PortServices extends Core {
  world: World;
}

async function requireHost({ world }: PortServices, host: string): Promise<void> {
  const { hostname } = await world.machine.facts();
  if (host !== 'this' && host !== hostname) throw new Problem('not-found', `There is no host "${host}". This one is called "${hostname}"; "this" means it, too.`);
}

const trialOf = ({ tasks }: PortServices) => tasks.list({ limit: 50, isActive: true }).find(({ kind, state }) => kind === portTaskKind && state !== 'unwinding');

export const hostNetworkGet = read<PortServices>()({
  id: 'host-network.get', method: 'GET', path: '/hosts/{host}/network', permission: 'host.read',
  summary: 'Show the ports of a host with their addresses, gateways and name servers',
  input: HostNetworkRef, output: HostNetworkOutput,
  async run(services, _call, { host }) {
    await requireHost(services, host);
    const { machine, hostNetwork } = services.world;
    const [{ nics }, settings, inUse] = await Promise.all([machine.facts(), hostNetwork.settings(), hostNetwork.inUse()]);
    return { isManaged: hostNetwork.isManaged, ports: nics.map((nic) => ({ ...nic, settings: settings[nic.name] ?? null })), ...inUse, trial: trialOf(services)?.id ?? null };
  },
});

export const hostNetworkSet = startTask<PortServices>()({
  id: 'host-network.set', method: 'PUT', path: '/hosts/{host}/network/ports/{port}', permission: 'host.edit',
  summary: 'Set the addresses of a port; the old ones come back unless confirmed',
  input: PortInput,
  async prepare(services, _call, { host, port: given, ...wish }) {
    await requireHost(services, host);
    const { machine, hostNetwork } = services.world;
    if (!hostNetwork.isManaged) throw new Problem('unavailable', 'The addresses of this machine are not set by Bothy. Set them with the tools of its system, or run the service with BOTHY_MANAGE_HOST=yes where systemd-networkd is in charge.');
    const { nics } = await machine.facts();
    const port = findPort(nics, given)?.name;
    if (port === undefined) throw new Problem('not-found', noPort(nics, given));
    const settings: PortSettings = { method: wish.method, address: wish.address ?? null, gateway: wish.gateway ?? null, dns: wish.dns };
    const faults: FieldError[] = portFault(settings);
    if (faults.length > 0) throw new Problem('invalid-input', faults.map(({ message }) => message).join(' '), { errors: faults });
    return { port, settings, before: (await hostNetwork.settings())[port] ?? null };
  },
  run(services, tx, { confirmBy, confirmSeconds }, { port, settings, before }) {
    if (trialOf(services)) throw new Problem('wrong-state', 'Other addresses are on trial now. Confirm them or cancel that task first.');
    const input: PortTaskInput = { port, settings, before, confirmBy, confirmMs: confirmSeconds * 1000 };
    services.journal.observed(tx, { kind: 'network', id: port, what: 'updated' });
    return services.tasks.start(tx, portTaskKind, input, [{ kind: 'port', id: port, name: port }]);
  },
});

export const hostNetworkConfirm = write<PortServices>()({
  id: 'host-network.confirm', method: 'POST', path: '/hosts/{host}/network/confirm', permission: 'host.edit', status: 204,
  summary: 'Keep the addresses that are on trial',
  input: HostNetworkRef, output: z.null(),
  prepare: (services, _call, { host }) => requireHost(services, host),
  run(services, tx) {
    const trial = trialOf(services);
    const until = (trial?.memory as { until?: number } | undefined)?.until ?? 0; // the task's own memory
    if (!trial || services.clock.now() >= until) throw new Problem('wrong-state', 'No addresses are on trial: the time was over, or somebody has confirmed already.');
    tx.sql.insert(portTrialTable).values({ taskId: trial.id, confirmedAt: services.clock.now() }).onConflictDoNothing().run();
    return null;
  },
});

export const portOperations = [hostNetworkGet, hostNetworkSet, hostNetworkConfirm];
