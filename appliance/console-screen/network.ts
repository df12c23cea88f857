/** The ports of the box with their links and addresses. */
import type * as z from 'zod';
import type * as schema from '../network/schema.ts';
import { type Line, paragraph, say } from './lines.ts';
import { boxOf, type Screen, type Stage } from './stage.ts';

type HostNetwork = z.output<typeof schema.HostNetworkOutput>;

export function networkScreen(stage: Stage): Screen {
  const { t } = stage.ui();
  let first = 0;
  let inUse: Line[] = [];
  const refresh = () => stage.attempt(async () => {
    const { gateways, dns } = await stage.api.ask<HostNetwork>('GET', '/hosts/this/network');
    inUse = [say(''), ...gateways.map((gateway) => say(` ${t('console.gatewayIs', gateway)}`)), ...(dns.length > 0 ? [say(` ${t('console.nameServers', { servers: dns.join(' ') })}`)] : [])];
    stage.redraw();
  });
  refresh();
  return {
    title: () => t('console.menuNetwork'), needsService: true,
    help: () => t('console.keysScroll'),
    onChange: (kind) => { if (kind === 'host') refresh(); },
    onKey(key) {
      if (key.name === 'escape' || key.name === 'enter') return stage.pop();
      if (key.name === 'down') first += 1;
      if (key.name === 'up') first = Math.max(0, first - 1);
    },
    view({ columns, rows }) {
      const lines = [...portLines(stage, columns), ...inUse];
      first = Math.max(0, Math.min(first, lines.length - rows));
      return { lines: lines.slice(first, first + rows) };
    },
  };
}

function portLines(stage: Stage, columns: number): Line[] {
  const { t } = stage.ui();
  return boxOf(stage).status.ports.flatMap(({ name, mac, isUp, speedMbps, addresses }) => [
    say(''),
    [...say(` ${name}`, 'strong'), ...say(`  ${isUp ? t('console.link') : t('console.noLink')}${isUp && speedMbps > 0 ? `, ${speedText(speedMbps)}` : ''}  ${mac}`)],
    ...addresses.flatMap(({ address, isLinkLocal }) => paragraph(isLinkLocal ? t('console.linkLocal', { address }) : address, columns - 1, { mark: '   ' })),
  ]);
}

const speedText = (mbps: number) => (mbps >= 1000 ? `${mbps / 1000} Gbit/s` : `${mbps} Mbit/s`);
