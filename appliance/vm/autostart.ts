/**
 * VMs that start with the host. Decided once in a life of the service, at its first look; what fails then, because a disk
 * or a network comes up late, is tried again at later looks: nobody is on site to press the button.
 *
 *   due -> started -> up (done)
 *             \-> down, start-failed -> tried again, a few times; down for another reason: somebody has decided (done)
 */
import { startVm } from './power-operations.ts';
import { needsAutostart } from './rules.ts';
import type { VmServices } from './services.ts';

const mostTries = 10;
const retryPauseMs = 30_000;

export interface Autostart {
  /** Called after each look at all domains. */
  follow(hostStartedAt: number): void;
}

export function createAutostart(services: VmServices): Autostart {
  const { rows, database, clock } = services;
  /** VM ids with how often they were started. */
  let due: Map<string, number> | undefined;

  /** One that was being started when the power went is on its way already: its task goes on, and may fail. */
  const firstDue = (hostStartedAt: number) => rows.withState(['down', 'powering-up'])
    .filter((vm) => vm.autostart && !vm.fact.isDeleting && (vm.fact.state === 'powering-up' || needsAutostart(vm.fact, hostStartedAt)))
    .map(({ id, fact }) => [id, fact.state === 'down' ? 0 : 1] as const);

  return {
    follow(hostStartedAt) {
      if (services.host.isLeaving()) return;
      due ??= new Map(firstDue(hostStartedAt));
      for (const [id, tries] of due) {
        const vm = rows.find(id);
        if (vm?.fact.state === 'powering-up' || (vm && tries > 0 && clock.now() - vm.fact.since < retryPauseMs)) continue;
        const isWanted = vm?.autostart && !vm.fact.isDeleting && vm.fact.state === 'down' && (tries === 0 || vm.fact.reason === 'start-failed');
        if (!vm || !isWanted || tries >= mostTries) {
          due.delete(id);
          continue;
        }
        due.set(id, tries + 1);
        database.write({ actor: 'system', operation: 'vm.autostart' }, (tx) => startVm(services, tx, vm));
      }
    },
  };
}
