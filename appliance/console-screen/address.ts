/** Setting the address of a port: which port, by DHCP or fixed, then on trial until K is pressed. Whoever presses nothing gets the old address back. */
import type * as z from 'zod';
import type * as schema from '../network/schema.ts';
import { choice, confirm, message } from './choice.ts';
import { entry } from './entry.ts';
import { progress } from './progress.ts';
import { boxOf, isText, type Screen, type Stage } from './stage.ts';

type HostNetwork = z.output<typeof schema.HostNetworkOutput>;
type Wish = { method: 'dhcp' } | { method: 'static'; address: string; gateway?: string; dns: string[] };

export function openAddress(stage: Stage): void {
  stage.attempt(async () => {
    const network = await stage.api.ask<HostNetwork>('GET', '/hosts/this/network');
    if (network.trial !== null) return stage.push(trialScreen(stage, network.trial));
    stage.push(network.isManaged ? portScreen(stage, network) : message(stage, stage.ui().t('console.menuAddress'), [stage.ui().t('console.notManaged')]));
  });
}

function portScreen(stage: Stage, { ports }: HostNetwork): Screen {
  const { t } = stage.ui();
  return choice(stage, {
    title: () => t('console.menuAddress'), lead: () => [t('console.whichPort')],
    items: () => ports.filter(({ isBridge }) => !isBridge).map((port) => ({
      text: port.name, aside: port.isUp ? port.addresses[0] ?? t('console.noAddressYet') : t('console.noLink'), act: () => stage.push(methodScreen(stage, port)),
    })),
  });
}

function methodScreen(stage: Stage, port: HostNetwork['ports'][number]): Screen {
  const { t } = stage.ui();
  const ask = (values: string[]) => stage.push(confirmScreen(stage, port.name, wishOf(values)));
  return choice(stage, {
    title: () => t('console.addressOf', { port: port.name }),
    items: () => [
      { letter: 'd', text: t('console.byDhcp'), act: () => stage.push(confirmScreen(stage, port.name, { method: 'dhcp' })) },
      { letter: 'f', text: t('console.fixed'), act: () => stage.push(fixedScreen(stage, port, ask)) },
    ],
  });
}

function fixedScreen(stage: Stage, { name, settings }: HostNetwork['ports'][number], act: (values: string[]) => void): Screen {
  const { t } = stage.ui();
  return entry(stage, {
    title: t('console.addressOf', { port: name }), lead: [t('console.fixedLead')], act,
    fields: [
      { label: t('console.address'), value: settings?.address ?? '', help: t('console.addressHelp') },
      { label: t('console.gateway'), value: settings?.gateway ?? '', help: t('console.gatewayHelp') },
      { label: t('console.dns'), value: settings?.dns.join(' ') ?? '', help: t('console.dnsHelp') },
    ],
  });
}

const wishOf = ([address = '', gateway = '', dns = '']: string[]): Wish => ({ method: 'static', address, ...(gateway && { gateway }), dns: dns.split(/[\s,]+/).filter(Boolean) });

function confirmScreen(stage: Stage, port: string, wish: Wish): Screen {
  const { t } = stage.ui();
  const told = wish.method === 'dhcp' ? t('console.byDhcp') : [wish.address, wish.gateway && `${t('console.gateway')} ${wish.gateway}`, wish.dns.length > 0 && `${t('console.dns')} ${wish.dns.join(' ')}`].filter(Boolean).join(', ');
  return confirm(stage, {
    title: t('console.addressOf', { port }), lead: () => [`${port}: ${told}`, t('console.trialLead')], yes: t('console.yesApply'),
    act: () => stage.attempt(async () => {
      const { id } = await stage.api.ask<{ id: string }>('PUT', `/hosts/this/network/ports/${port}`, wish);
      stage.home();
      stage.push(trialScreen(stage, id));
    }),
  });
}

/** The progress of the task, with a key that keeps the address. */
function trialScreen(stage: Stage, id: string): Screen {
  const { t } = stage.ui();
  const follow = progress(stage, id, t('console.trial'));
  return {
    ...follow,
    help: () => t('console.keysTrial'),
    onKey(key) {
      if (isText(key, 'k')) stage.attempt(async () => { await stage.api.ask('POST', '/hosts/this/network/confirm', {}); });
      else follow.onKey(key);
    },
    view(size) {
      const { lines } = follow.view(size);
      return { lines: [[], [{ text: ` ${t('console.trialKeep', { address: boxOf(stage).status.urls[0] ?? '' })}`, style: 'strong' }], ...lines] };
    },
  };
}
