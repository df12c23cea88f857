/**
 * A VM's state as a chip, and its verbs as buttons: the same table (`vmAllows`) that refuses a request greys the button,
 * with the same words.
 */
import type { Child } from 'hono/jsx';
import type * as z from 'zod';
import { vmPause, vmTrim, vmPowerOff, vmReboot, vmReset, vmResume, vmDiscardMemory, vmShutdown, vmStart, vmSuspend } from '../../appliance/vm/operations.ts';
import { refusal, type VmState, type VmVerb, vmCan } from '../../appliance/vm/rules.ts';
import type * as schema from '../../appliance/vm/schema.ts';
import { type ButtonTone, LinkButton, More, OperationButton } from '../action.tsx';
import { useUi } from '../context.ts';
import type { IconName } from '../icon.tsx';
import { Chip, type Tone } from '../section.tsx';
import { isTextKey } from '../text.ts';

export type VmSummary = z.output<typeof schema.VmSummary>;

/** For what is decided on one VM. */
export const aboutVm = ({ id }: { id: string }) => ({ kind: 'vm', id });

const looks: Record<VmState, { tone: Tone; icon: IconName }> = {
  down: { tone: 'off', icon: 'ring' },
  'powering-up': { tone: 'busy', icon: 'half' },
  up: { tone: 'ok', icon: 'dot' },
  paused: { tone: 'warn', icon: 'pause' },
  migrating: { tone: 'busy', icon: 'half' },
  suspended: { tone: 'warn', icon: 'moon' },
  saved: { tone: 'off', icon: 'moon' },
  'powering-down': { tone: 'busy', icon: 'half' },
  unknown: { tone: 'bad', icon: 'question' },
};
/** Reasons that nobody wished for. */
const troubles = new Set(['start-failed', 'restore-failed', 'crashed', 'failed', 'lost', 'io-error', 'no-space', 'watchdog', 'host-restarted', 'hypervisor-away']);
export const isTrouble = ({ reason }: Pick<VmSummary, 'reason'>): boolean => troubles.has(reason);

export function VmChip({ vm }: { vm: Pick<VmSummary, 'state' | 'reason' | 'isDeleting'> }) {
  const { t } = useUi();
  if (vm.isDeleting) return <Chip tone="busy" icon="half" text={t('vm.deleting')} />;
  const key = `vm.reason.${vm.reason}`;
  const reason = isTextKey(key) ? t(key as 'vm.reason.crashed') : undefined; // reasons have no places
  const { tone, icon } = looks[vm.state];
  return <Chip tone={isTrouble(vm) ? 'bad' : tone} icon={isTrouble(vm) ? 'error' : icon} text={t(`vm.state.${vm.state}`)} reason={reason} />;
}

interface VerbProps {
  vm: VmSummary;
  verb: VmVerb;
  tone?: ButtonTone;
  isCompact?: boolean;
}

const verbs = {
  start: { operation: vmStart, icon: 'play' },
  shutdown: { operation: vmShutdown, icon: 'power' },
  'power-off': { operation: vmPowerOff, icon: 'stop' },
  reboot: { operation: vmReboot, icon: 'reboot' },
  trim: { operation: vmTrim, icon: 'disk' },
  reset: { operation: vmReset, icon: 'reboot' },
  pause: { operation: vmPause, icon: 'pause' },
  suspend: { operation: vmSuspend, icon: 'moon' },
  'discard-memory': { operation: vmDiscardMemory, icon: 'trash' },
  resume: { operation: vmResume, icon: 'play' },
} as const;

/** What the guest has not written yet is lost: title and words of the question. */
const roughVerbs: { [verb in VmVerb]?: ['vm.resetTitle' | 'vm.powerOffTitle' | 'vm.discardMemoryTitle', 'vm.resetBody' | 'vm.powerOffBody' | 'vm.discardMemoryBody'] } = {
  reset: ['vm.resetTitle', 'vm.resetBody'], 'power-off': ['vm.powerOffTitle', 'vm.powerOffBody'], 'discard-memory': ['vm.discardMemoryTitle', 'vm.discardMemoryBody'],
};

/** Of a machine of a pool nothing that was written is left once it is down. */
const poolVerbs: { [verb in VmVerb]?: 'vm.poolShutdownTitle' | 'vm.powerOffTitle' } = { shutdown: 'vm.poolShutdownTitle', 'power-off': 'vm.powerOffTitle' };

export function VerbButton({ vm, verb, tone, isCompact }: VerbProps & { verb: keyof typeof verbs }) {
  const { t } = useUi();
  const { operation, icon } = verbs[verb];
  const ofPool = vm.pool !== null && poolVerbs[verb];
  const rough = ofPool ? ([ofPool, 'vm.poolShutdownBody'] as const) : roughVerbs[verb];
  return (
    <OperationButton operation={operation} path={{ vm: vm.name }} about={aboutVm(vm)} label={t(`vm.${verb}`)} icon={icon} isCompact={isCompact ?? false} tone={tone ?? (roughVerbs[verb] ? 'danger' : 'plain')}
      disabledReason={vmCan(verb, vm) ? undefined : refusal(verb, vm.name, vm)}
      confirm={rough && { title: t(rough[0], { name: vm.name }), body: t(rough[1]) }} />
  );
}

export function ConsoleLink({ vm, isCompact, tone = 'plain' }: { vm: VmSummary; isCompact?: boolean; tone?: ButtonTone }) {
  const { t, can } = useUi();
  if (!can('vm.console', aboutVm(vm)) || !vmCan('console', vm)) return null;
  return <LinkButton href={`/vms/${encodeURIComponent(vm.name)}/console`} text={t('vm.console')} icon="screen" tone={tone} isCompact={isCompact ?? false} />;
}

/** In a list: the one or two verbs that fit the state. */
export function RowVerbs({ vm }: { vm: VmSummary }) {
  const main = vmCan('start', vm) ? 'start' : vmCan('resume', vm) ? 'resume' : vmCan('shutdown', vm) ? 'shutdown' : undefined;
  return <span class="row-verbs"><ConsoleLink vm={vm} isCompact tone="quiet" />{main && <VerbButton vm={vm} verb={main} isCompact tone="quiet" />}</span>;
}

/** On its page: what fits the state first, the rest behind dots. */
export function HeadVerbs({ vm, hasNoConsole, hasAgent, children }: { vm: VmSummary; hasNoConsole?: boolean; hasAgent?: boolean; children?: Child }) {
  const { t, can } = useUi();
  const isResting = vm.state === 'down' || vm.state === 'saved';
  const first = isResting ? 'start' : vm.state === 'paused' ? 'resume' : undefined;
  return (
    <>
      {first && <VerbButton vm={vm} verb={first} tone="primary" />}
      {!hasNoConsole && <ConsoleLink vm={vm} tone={first ? 'plain' : 'primary'} />}
      {!isResting && <VerbButton vm={vm} verb="shutdown" />}
      {can(vmPowerOff.permission, aboutVm(vm)) && (
        <More id="vm-more" label={t('vm.more')}>
          <VerbButton vm={vm} verb="reboot" />
          {first !== 'resume' && <VerbButton vm={vm} verb="pause" />}
          {!isResting && <VerbButton vm={vm} verb="suspend" />}
          {vm.state === 'up' && hasAgent && <VerbButton vm={vm} verb="trim" />}
          {children}
          {vm.state === 'saved' && <><hr /><VerbButton vm={vm} verb="discard-memory" /></>}
          {isResting ? null : <><hr /><VerbButton vm={vm} verb="reset" /><VerbButton vm={vm} verb="power-off" /></>}
        </More>
      )}
    </>
  );
}
