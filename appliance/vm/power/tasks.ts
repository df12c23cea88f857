/**
 * The other verbs of power. Each asks libvirt for the state first, so that asking twice does no harm, and leaves the fact to
 * what is seen afterwards: by event at once, by reconcile at the latest.
 */
import * as z from 'zod';
import { exclusive } from '../../core/locks.ts';
import { Problem } from '../../core/problem.ts';
import { type AnyTask, defineTask } from '../../core/task.ts';
import type { DomainFact } from '../../world.ts';
import { findDomain, persist } from '../domain.ts';
import type { VmServices } from '../services.ts';
import { endDomain } from './start-task.ts';

interface Verb {
  kind: string;
  /** The step, as people read it. */
  step: string;
  refusal: string;
  act(hypervisor: VmServices['hypervisor'], domain: DomainFact): Promise<void>;
}

interface Input {
  vm: string;
}

const verbs: Verb[] = [
  { kind: 'vm.shutdown', step: 'Ask the guest to shut down', refusal: 'The guest could not be asked', act: (hypervisor, { uuid }) => hypervisor.shutdown(uuid) },
  { kind: 'vm.reboot', step: 'Reboot the guest', refusal: 'The guest could not be rebooted', act: (hypervisor, { uuid }) => hypervisor.reboot(uuid) },
  { kind: 'vm.reset', step: 'Press the reset button', refusal: 'The guest could not be reset', act: (hypervisor, { uuid }) => hypervisor.reset(uuid) },
  { kind: 'vm.pause', step: 'Stop the processors', refusal: 'The guest could not be paused', act: async (hypervisor, { uuid, state }) => { if (state !== 'paused') await hypervisor.suspend(uuid); } },
  { kind: 'vm.resume', step: 'Let the processors run', refusal: 'The guest could not be resumed', act: async (hypervisor, { uuid, state }) => { if (state === 'paused') await hypervisor.resume(uuid); } },
];

const input = z.object({ vm: z.string() });

export function powerTasks(services: VmServices): AnyTask[] {
  return [...verbs.map((verb) => verbTask(services, verb)), powerOffTask(services)];
}

function verbTask(services: VmServices, { kind, step, refusal, act }: Verb): AnyTask {
  return defineTask<Input>({
    kind, input, canCancel: true,
    locks: ({ vm }) => [exclusive('vm', vm)],
    steps: [{
      name: step,
      timeoutMs: 150_000, // an agent that has hung is given up by libvirt after one minute, and the button pressed
      do: ({ input, signal }) => persist(services, refusal, signal, async () => {
        const domain = await findDomain(services, input.vm);
        if (!domain && kind === 'vm.shutdown') return; // it has shut down already
        if (!domain) throw new Problem('wrong-state', 'The VM is no longer running. Start it, then try again.');
        await act(services.hypervisor, domain);
      }),
    }],
    finished: (tx, { state, input: { vm } }) => {
      // What was promised with the request did not come: the next look decides what is true.
      if (kind === 'vm.shutdown' && state !== 'done') services.facts.enter(tx, vm, 'unknown', 'shutdown');
      tx.afterCommit(() => services.reconcilers.wake('vm.observe'));
    },
  });
}

function powerOffTask(services: VmServices): AnyTask {
  return defineTask<Input>({
    kind: 'vm.power-off', input, canCancel: false,
    locks: ({ vm }) => [exclusive('vm', vm)],
    steps: [{
      name: 'End QEMU',
      timeoutMs: 120_000,
      do: ({ input: { vm }, signal }) => persist(services, 'The VM could not be powered off', signal, () => endDomain(services, vm, signal)),
    }],
    finished(tx, { state, input: { vm } }) {
      // What gave way to it may have left the guest's memory whole.
      const saved = services.rows.find(vm)?.fact.saved ?? null;
      if (state === 'done') services.facts.enter(tx, vm, saved ? 'saved' : 'down', saved ? (saved.snapshot === null ? 'user' : 'snapshot') : 'power-off');
      else services.facts.enter(tx, vm, 'unknown', 'power-off');
      tx.afterCommit(() => services.reconcilers.wake('vm.observe'));
    },
  });
}
