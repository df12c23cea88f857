/** What a guest shows: tickets for its consoles, a file for virt-viewer, a picture of its screen. */
import { type Call, stream, write } from '../../core/operation.ts';
import { Problem } from '../../core/problem.ts';
import { allow } from '../answers.ts';
import { asRefusal } from '../domain.ts';
import { VmRef } from '../schema.ts';
import { ConsoleFileInput, ConsoleInput, ConsoleTicket } from './schema.ts';
import type { VmServices } from '../services.ts';
import { nameIn } from './viewer-door.ts';
import { viewerFile } from './viewer-file.ts';

/** Asked as long as a console is open: it must not outlive the right to it. */
const mayUse = ({ renew }: Call, id: string) => () => renew()?.reach.on('vm.console', { kind: 'vm', id }) ?? false;

export const vmConsole = write<VmServices>()({
  id: 'vm.console', method: 'POST', path: '/vms/{vm}/console', permission: 'vm.console', status: 201, summary: 'Get a ticket for a console',
  input: ConsoleInput, output: ConsoleTicket,
  run({ rows, tickets, consoles }, { call }, { vm: ref, type }) {
    const vm = rows.require(ref);
    allow('console', vm);
    consoles.requireRoom(vm);
    const { ticket, expiresAt } = tickets.issue({ vmId: vm.id, type, actor: call.actor.name, isHeld: mayUse(call, vm.id) });
    return { ticket, type, expiresAt, url: `/console/${vm.id}?ticket=${ticket}` };
  },
});

export const vmConsoleFile = stream<VmServices>()({
  id: 'vm.console-file', method: 'GET', path: '/vms/{vm}/console.vv', permission: 'vm.console', summary: 'Get a file that opens the screen in virt-viewer',
  input: ConsoleFileInput, responseType: 'application/x-virt-viewer',
  async run(services, call, { vm: ref, ticket }, { method, url }) {
    const vm = services.rows.require(ref);
    allow('console', vm);
    const headers = { 'content-type': 'application/x-virt-viewer', 'content-disposition': 'attachment; filename="console.vv"', 'cache-control': 'no-store' };
    if (method === 'HEAD') return new Response(null, { headers }); // asks what would come, so neither ticket nor relay is used
    if (ticket !== undefined && services.tickets.redeem(ticket)?.vmId !== vm.id) throw new Problem('forbidden', 'This ticket was used or is too old. Ask for a new one.');
    return new Response(viewerFile({ title: vm.name, ...(await services.consoles.openRelay(vm, mayUse(call, vm.id), { from: call.from, host: nameIn(url) })) }), { headers });
  },
});

export const vmScreenshot = stream<VmServices>()({
  id: 'vm.screenshot', method: 'GET', path: '/vms/{vm}/screenshot', permission: 'vm.console', summary: 'See what the guest shows',
  input: VmRef, responseType: 'image/png',
  async run({ rows, hypervisor }, _call, { vm: ref }) {
    const vm = rows.require(ref);
    allow('screenshot', vm);
    const png = await hypervisor.screenshot(vm.id).catch((error: unknown) => {
      throw asRefusal(error, 'The screen could not be read');
    });
    return new Response(Buffer.from(png), { headers: { 'content-type': 'image/png', 'cache-control': 'no-store' } });
  },
});

export const consoleOperations = [vmConsole, vmConsoleFile, vmScreenshot];
