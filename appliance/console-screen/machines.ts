/** The virtual machines: start one, restart one, also one that no longer listens. */
import type { Vm } from './box.ts';
import { choice, type Item } from './choice.ts';
import { progress } from './progress.ts';
import { boxOf, type Screen, type Stage } from './stage.ts';

export function machinesScreen(stage: Stage): Screen {
  const { t } = stage.ui();
  return choice(stage, {
    title: () => t('console.menuMachines'),
    items: () => boxOf(stage).vms.map((vm): Item => ({ text: vm.name, aside: stateText(stage, vm), act: () => stage.push(machineScreen(stage, vm.id)) })),
    none: () => t('console.noMachines'),
  });
}

const stateText = (stage: Stage, { state }: Vm) => stage.ui().t(`vm.state.${state}`);

interface Verb {
  letter: string;
  text: string;
  path: string;
}

/** Offered by state; the appliance itself decides whether it may be done. */
function verbsFor(stage: Stage, { state }: Vm): Verb[] {
  const { t } = stage.ui();
  const reset = { letter: 'x', text: t('console.vmReset'), path: 'reset' };
  const off = { letter: 'o', text: t('console.vmOff'), path: 'power-off' };
  switch (state) {
    case 'down': return [{ letter: 's', text: t('console.vmStart'), path: 'start' }];
    case 'up': return [{ letter: 'r', text: t('console.vmReboot'), path: 'reboot' }, reset];
    case 'paused': return [{ letter: 'r', text: t('console.vmResume'), path: 'resume' }, off];
    case 'powering-down': return [off];
    default: return [];
  }
}

function machineScreen(stage: Stage, id: string): Screen {
  const { t } = stage.ui();
  const find = () => boxOf(stage).vms.find((vm) => vm.id === id);
  const act = ({ path, text }: Verb, { name }: Vm) => stage.attempt(async () => {
    const task = await stage.api.ask<{ id: string }>('POST', `/vms/${id}/${path}`, {});
    stage.pop();
    stage.push(progress(stage, task.id, `${name}: ${text}`));
  });
  return choice(stage, {
    title: () => find()?.name ?? '',
    lead: () => [find() ? t('console.vmIs', { state: stateText(stage, find() as Vm) }) : t('console.vmGone')],
    items() {
      const vm = find();
      const verbs = vm ? verbsFor(stage, vm).map((verb): Item => ({ letter: verb.letter, text: verb.text, act: () => act(verb, vm) })) : [];
      return [...verbs, { text: t('console.back'), act: () => stage.pop() }];
    },
  });
}
