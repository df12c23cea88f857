/** A quota that is exceeded, within its grace or because it is only watched, is one standing event until it is kept again. */
import type { Auth } from '../auth/auth.ts';
import type { Events } from './events.ts';

const code = 'quota.exceeded';

export function tellQuotas(quotas: Pick<Auth['quotas'], 'onChange'>, { event, settle }: Pick<Events, 'event' | 'settle'>): void {
  quotas.onChange((tx, { holder, isOver }) => {
    if (!isOver) return settle(tx, code, [holder.id]);
    event(tx, {
      severity: 'warning', code, isStanding: true, about: [holder],
      message: `The VMs and disks of ${holder.name} take more than the quota allows.`,
      nextStep: 'Delete what is no longer needed, or raise the quota on the page "People".',
    });
  });
}
