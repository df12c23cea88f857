/** What can be done at the box without signing in. Whoever stands at it could also pull its plug; each act is noted in the audit trail. */
import { locales } from '../../ui/text.ts';
import { openAddress } from './address.ts';
import { choice, confirm, type Item, message } from './choice.ts';
import { entry } from './entry.ts';
import { machinesScreen } from './machines.ts';
import { networkScreen } from './network.ts';
import { progress } from './progress.ts';
import { drawQr } from './qr.ts';
import { boxOf, type Screen, type Stage } from './stage.ts';

export function menuItems(stage: Stage): Item[] {
  const { t, locale } = stage.ui();
  const other = locale === 'en' ? 'zh-CN' : 'en';
  return [
    { letter: 'v', text: t('console.menuMachines'), act: () => stage.push(machinesScreen(stage)) },
    { letter: 'n', text: t('console.menuNetwork'), act: () => stage.push(networkScreen(stage)) },
    { letter: 'a', text: t('console.menuAddress'), act: () => openAddress(stage) },
    { letter: 's', text: t('console.menuShutdown'), act: () => stage.push(powerScreen(stage, 'shutdown')) },
    { letter: 'r', text: t('console.menuReboot'), act: () => stage.push(powerScreen(stage, 'reboot')) },
    { letter: 'p', text: t('console.menuPassword'), act: () => stage.push(passwordScreen(stage)) },
    { letter: 'u', text: t('console.menuUnlock'), act: () => openUnlock(stage) },
    { letter: 'q', text: t('console.menuQr'), act: () => stage.push(qrScreen(stage)) },
    ...(stage.glyphs.hasChinese ? [{ letter: 'l', text: locales[other], act: () => stage.setLocale(other) }] : []),
  ];
}

export function menuScreen(stage: Stage): Screen {
  return choice(stage, { title: () => stage.ui().t('console.menu'), items: () => menuItems(stage) });
}

function powerScreen(stage: Stage, verb: 'shutdown' | 'reboot'): Screen {
  const { t } = stage.ui();
  const title = t(verb === 'shutdown' ? 'console.menuShutdown' : 'console.menuReboot');
  const { leaving } = boxOf(stage);
  if (leaving) return progress(stage, leaving.id, t('console.leaving'));
  const lead = () => {
    const running = boxOf(stage).vms.filter(({ state }) => state !== 'down').map(({ name }) => name);
    const first = running.length === 0 ? t('console.noneRuns') : t('console.goFirst', { count: running.length, names: `${running.slice(0, 8).join(', ')}${running.length > 8 ? ' ...' : ''}` });
    return [first, t(verb === 'shutdown' ? 'console.shutdownAfter' : 'console.rebootAfter')];
  };
  return confirm(stage, {
    title, lead, yes: t(verb === 'shutdown' ? 'console.yesShutdown' : 'console.yesReboot'),
    act: () => stage.attempt(async () => {
      const { id } = await stage.api.ask<{ id: string }>('POST', `/hosts/this/${verb}`, {});
      stage.home();
      stage.push(progress(stage, id, t('console.leaving')));
    }),
  });
}

function passwordScreen(stage: Stage): Screen {
  const { t } = stage.ui();
  const { name } = boxOf(stage).status;
  return entry(stage, {
    title: t('console.menuPassword'), lead: [t('console.passwordLead'), t('console.passwordType', { name })], fields: [{ label: t('console.boxName'), value: '' }],
    act: ([typed = '']) => stage.attempt(async () => {
      const { code } = await stage.api.ask<{ code: string }>('POST', '/password/reset', { name: typed });
      stage.home();
      stage.push(message(stage, t('console.menuPassword'), [t('console.passwordDone')], code));
    }),
  });
}

/** Users who were locked after wrong passwords; choosing one lets them sign in again. */
function openUnlock(stage: Stage): void {
  const { t } = stage.ui();
  stage.attempt(async () => {
    const { items } = await stage.api.ask<{ items: { id: string; name: string; isLocked: boolean }[] }>('GET', '/users');
    const locked = items.filter(({ isLocked }) => isLocked);
    const unlock = ({ id, name }: { id: string; name: string }) => stage.attempt(async () => {
      await stage.api.ask('POST', `/users/${id}/unlock`, {});
      stage.home();
      stage.push(message(stage, t('console.menuUnlock'), [t('console.unlocked', { name })]));
    });
    stage.push(choice(stage, { title: () => t('console.menuUnlock'), items: () => locked.map((user): Item => ({ text: user.name, act: () => unlock(user) })), none: () => t('console.noneLocked') }));
  });
}

/** The code alone, as large as it goes: with a narrower border where the screen is low. */
function qrScreen(stage: Stage): Screen {
  const { t } = stage.ui();
  return {
    title: () => boxOf(stage).status.urls[0] ?? t('console.menuQr'), help: () => t('console.keysBack'), needsService: true,
    onKey: () => stage.pop(),
    view({ columns, rows }) {
      const [url] = boxOf(stage).status.urls;
      if (url === undefined) return { lines: [[], [{ text: ` ${t('console.noAddress')}`, style: 'warn' }]] };
      const fitting = [4, 2, 1].map((border) => drawQr(url, { hasBlocks: stage.glyphs.hasBlocks, border })).find((code) => code.lines.length <= rows && code.columns <= columns);
      if (!fitting) return { lines: [[], [{ text: ` ${t('console.qrTooSmall')}`, style: 'warn' }]] };
      const indent = ' '.repeat(Math.floor((columns - fitting.columns) / 2));
      return { lines: fitting.lines.map((line) => [{ text: indent, style: 'plain' }, ...line]) };
    },
  };
}
