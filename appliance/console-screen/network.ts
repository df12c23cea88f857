/** The ports of the box with their links and addresses. */
import { type Line, paragraph, say } from './lines.ts';
import { boxOf, type Screen, type Stage } from './stage.ts';

export function networkScreen(stage: Stage): Screen {
  const { t } = stage.ui();
  let first = 0;
  return {
    title: () => t('console.menuNetwork'), needsService: true,
    help: () => t('console.keysScroll'),
    onKey(key) {
      if (key.name === 'escape' || key.name === 'enter') return stage.pop();
      if (key.name === 'down') first += 1;
      if (key.name === 'up') first = Math.max(0, first - 1);
    },
    view({ columns, rows }) {
      const lines = portLines(stage, columns);
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
