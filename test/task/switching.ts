/** The switch as a case of the task harness: a VM that starts with the host runs before and afterwards. */
import { lookForExpectation } from '../../appliance/update/trial.ts';
import { vmStart } from '../../appliance/vm/operations.ts';
import { settle, type TaskCase } from './harness.ts';
import { beginUpdate, bundleName, layBundle, observeUpdate, openUpdateSite, type UpdateSite } from './update-site.ts';
import { carryOut, makeVm } from './vm-site.ts';

// biome-ignore lint/suspicious/noExplicitAny: plain data made by observe
type Plain = any;

let expected: Awaited<ReturnType<typeof lookForExpectation>>;

export const switching: TaskCase<UpdateSite> = {
  name: 'update.switch', open: openUpdateSite, observe: observeUpdate,
  host: { guests: { shutdownMs: 1_000 } },
  async prepare(site, life) {
    await layBundle(life);
    beginUpdate(site, 'update.install', { bundle: bundleName, url: null, allowOlder: false });
    await settle(life);
    makeVm(site, { autostart: true });
    await carryOut(site, life, vmStart, { vm: 'web-1' });
    expected = await lookForExpectation(site.update);
  },
  begin: (site, life) => beginUpdate(site, 'update.switch', { from: '1.0', to: '1.1', at: life.clock.now(), acceptsLoss: false, shutdownMs: 30_000, expected }),
  // What fails behind the restart has switched; before it nothing has happened, but that the new version was put into the menu.
  undone({ before, after, point }) {
    const hasRestarted = ['Start the virtual machines that ran', 'See it come up well'].includes(point.step) || (point.step === 'Restart the host' && point.when === 'done');
    if (hasRestarted) return after;
    const wasArmed = !(point.step.startsWith('Write down') || (point.step === 'Make it the next to start' && point.when === 'before'));
    const { slots, ...rest } = before as Plain; // made by observe
    return { ...rest, slots: wasArmed ? slots.map((slot: Plain) => (slot.version === '1.1' ? { ...slot, state: 'bad' } : slot)) : slots };
  },
};
