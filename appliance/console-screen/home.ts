/** The first screen: who this box is, how it is, where a browser finds it. For a person who passes by, and for a photograph sent to the office. */
import type { Translator } from '../../ui/text.ts';
import type { Box, Status } from './box.ts';
import { fit, type Line, lineWidth, paragraph, say, type Style } from './lines.ts';
import type { Size } from './painter.ts';
import { drawQr } from './qr.ts';
import type { Glyphs, Stage, View } from './stage.ts';
import { taskLines } from './progress.ts';

interface Look {
  ui: Translator;
  glyphs: Glyphs;
}

export function homeView(stage: Stage, { columns, rows }: Size): View {
  const service = stage.service();
  const look: Look = { ui: stage.ui(), glyphs: stage.glyphs };
  if (service.state === 'away') return { lines: awayLines(look, service.reason, columns) };
  const { box } = service;
  const [url] = box.status.urls;
  const code = url === undefined ? undefined : drawQr(url, { hasBlocks: look.glyphs.hasBlocks, border: 2 });
  const isBeside = code !== undefined && look.glyphs.hasBlocks && code.lines.length <= rows - 2 && code.columns + 46 <= columns;
  const width = isBeside ? columns - code.columns - 4 : columns - 2;
  const lines = boxLines(stage, look, box, { columns: width, rows });
  if (!isBeside) return { lines };
  return { lines: Array.from({ length: rows }, (_none, row) => [...fit(lines[row] ?? [], width + 1), ...(code.lines[row - 1] ?? [])]) };
}

function awayLines({ ui: { t } }: Look, reason: string, columns: number): Line[] {
  return [say(''), say(` ${t('console.starting')}`, 'strong'), say(''), ...paragraph(t('console.startingText'), columns - 2, { mark: ' ' }), say(''), ...reason.split('\n').flatMap((line) => paragraph(line, columns - 2, { mark: ' ' }))];
}

const marks: Record<Status['state'], { block: string; ascii: string; style: Style }> = {
  well: { block: '■', ascii: '*', style: 'good' }, attention: { block: '▲', ascii: '!', style: 'warn' }, trouble: { block: '▲', ascii: '!', style: 'bad' },
};

/** All that is to be told, in order of weight; what does not fit is left away from the end. */
function boxLines(stage: Stage, look: Look, box: Box, { columns, rows }: Size): Line[] {
  const { ui: { t }, glyphs } = look;
  const { status, leaving } = box;
  const mark = marks[status.state];
  const state: Line[] = leaving
    ? [say(` ${t('console.leaving')}`, 'warn'), ...taskLines(stage, leaving, columns)]
    : [say(` ${glyphs.hasBlocks ? mark.block : mark.ascii} ${t(`console.state.${status.state}`)}`, mark.style)];
  const address = [say(''), ...addressLines(look, box, columns)];
  const certificate = fingerprintLines(look, status, columns);
  const ports = [say(''), ...portLines(look, status, columns)];
  const machines = [say(''), say(` ${machinesText(look, box)}`)];
  const version = [say(''), ...paragraph(versionText(status), columns - 1, { mark: ' ' })];
  const fixed = 1 + state.length + address.length;
  const fall = fallLines(look, status, columns);
  const troubles = [...troubleLines(look, status, columns, Math.max(2, rows - fixed - fall.length - 3)), ...fall];
  const rest = [machines, ports, certificate, version];
  const lines = [say(''), ...state, ...troubles, ...address];
  for (const part of rest) if (lines.length + part.length <= rows) lines.push(...part);
  return lines;
}

function troubleLines({ ui: { t, phrase } }: Look, { troubles }: Status, columns: number, most: number): Line[] {
  const lines: Line[] = [];
  for (const [index, { message, nextStep }] of troubles.entries()) {
    const told = [...paragraph(phrase(message), columns - 1, { mark: '   ' }), ...(nextStep ? paragraph(phrase(nextStep), columns - 1, { mark: '   > ' }) : [])];
    const isLast = index === troubles.length - 1;
    if (lines.length + told.length + (isLast ? 0 : 1) > most && index > 0) return [...lines, say(`   ${t('console.moreTroubles', { count: troubles.length - index })}`)];
    lines.push(...told.slice(0, most));
  }
  return lines;
}

/** How the machine went down if nobody had wanted that: who stands before it wants to know why it has just restarted. */
function fallLines({ ui: { t, phrase } }: Look, { lastEnd }: Status, columns: number): Line[] {
  if (!lastEnd?.isNews) return [];
  const at = `${new Date(lastEnd.at).toISOString().slice(0, 16).replace('T', ' ')} UTC`;
  return paragraph(t('console.wentDown', { at, why: phrase(lastEnd.message) }), columns - 1, { mark: '   ', style: 'warn' });
}

function addressLines({ ui: { t } }: Look, { status: { urls }, setupCode }: Box, columns: number): Line[] {
  if (urls.length === 0) return paragraph(t('console.noAddress'), columns - 1, { mark: ' ', style: 'warn' });
  const shown = urls.slice(0, 3);
  const setup = setupCode === null ? [] : [say(''), [...say(` ${t('console.setupCode')}  `), ...say(setupCode, 'strong')], ...paragraph(t('console.setupHelp'), columns - 1, { mark: ' ' })];
  return [say(` ${t('console.openBrowser')}`), ...shown.map((url) => say(`   ${url}`, 'strong')), ...setup];
}

function fingerprintLines({ ui: { t } }: Look, { fingerprint }: Status, columns: number): Line[] {
  if (fingerprint === null) return [];
  const pairs = fingerprint.split(':');
  const perLine = columns >= 51 ? 16 : columns >= 27 ? 8 : 4;
  const rows = Array.from({ length: Math.ceil(pairs.length / perLine) }, (_row, row) => pairs.slice(row * perLine, (row + 1) * perLine).join(':'));
  return [say(''), say(` ${t('console.certificate')}`), ...rows.map((row) => say(`   ${row}`))];
}

const mostPorts = 4;

function portLines({ ui: { t } }: Look, { ports }: Status, columns: number): Line[] {
  const shown = ports.filter(({ name }) => !/^virbr/.test(name));
  const width = Math.min(15, Math.max(4, ...shown.map(({ name }) => name.length)));
  const lines = shown.slice(0, mostPorts).flatMap(({ name, isUp, addresses }) => {
    const first = `   ${name.padEnd(width)}  `;
    if (!isUp) return [say(`${first}${t('console.noLink')}`)];
    const told = addresses.map(({ address, isLinkLocal }) => (isLinkLocal ? t('console.linkLocal', { address }) : address));
    const texts = told.length > 0 ? told : [t('console.noAddressYet')];
    return texts.map((text, index) => fitEnd(say(`${index === 0 ? first : ' '.repeat(first.length)}${text}`), columns));
  });
  const more = shown.length > mostPorts ? [say(`   ${t('console.morePorts', { count: shown.length - mostPorts })}`)] : [];
  return [say(` ${t('console.ports')}`), ...lines, ...more];
}

const fitEnd = (line: Line, columns: number): Line => (lineWidth(line) > columns ? fit(line, columns) : line);

function machinesText({ ui: { t } }: Look, { vms }: Box): string {
  if (vms.length === 0) return t('console.noMachines');
  const up = vms.filter(({ state }) => state === 'up').length;
  return t('console.machines', { up, count: vms.length });
}

function versionText({ versions: { bothy, os, kernel } }: Status): string {
  const own = `Bothy ${bothy}`; // the host image bears our name, too
  return [...(os.startsWith(own) ? [] : [own]), os, `Linux ${kernel}`].join(', ');
}
