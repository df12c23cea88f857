/**
 * The frame around every page: document, navigation, page head, tabs, panels.
 *
 * `Shell` is for signed-in pages: a stone-dark side rail (a bottom bar on phones) and `#page`, the only part that
 * navigation replaces. A page that names live kinds fetches itself again when such a thing changes and morphs in place,
 * so focus, scroll and open menus stay. Set-up and sign-in have `Bare` (bare.tsx) instead.
 */
import type { Child } from 'hono/jsx';
import { type Ui, useUi } from './context.ts';
import { Icon, Mark, type IconName } from './icon.tsx';
import { locales, type TextKey } from './text.ts';
import { Toast } from './toast.tsx';

export interface NavItem {
  href: string;
  icon: IconName;
  text: Extract<TextKey, `nav.${string}`>;
  /** Where the bottom bar has little room. */
  shortText?: Extract<TextKey, `nav.${string}`>;
  /** Hidden from people whose roles lack it. */
  permission?: string;
  /** Has a place in the phone's bottom bar; the others are under "More". */
  inBar?: boolean;
}

const navItems: NavItem[] = [
  { href: '/', icon: 'hut', text: 'nav.overview', inBar: true },
  { href: '/vms', icon: 'vm', text: 'nav.vms', shortText: 'nav.vmsShort', permission: 'vm.read', inBar: true },
  { href: '/templates', icon: 'copy', text: 'nav.templates', permission: 'template.read' },
  { href: '/pools', icon: 'users', text: 'nav.pools', permission: 'pool.edit' },
  { href: '/storage', icon: 'storage', text: 'nav.storage', permission: 'storage.read', inBar: true },
  { href: '/networks', icon: 'network', text: 'nav.networks', permission: 'network.read' },
  { href: '/host', icon: 'host', text: 'nav.host', permission: 'host.read' },
  { href: '/people', icon: 'users', text: 'nav.people', permission: 'user.read' },
  { href: '/site', icon: 'edit', text: 'nav.site', permission: 'site.read' },
  { href: '/update', icon: 'download', text: 'nav.update', permission: 'update.read' },
  { href: '/tasks', icon: 'tasks', text: 'nav.tasks', permission: 'task.read', inBar: true },
  { href: '/events', icon: 'events', text: 'nav.events', permission: 'event.read' },
  { href: '/reports/use', icon: 'clock', text: 'nav.reports', permission: 'report.read' },
];

/** For who sees only what they were given. */
const limitedItems: NavItem[] = [
  { href: '/', icon: 'vm', text: 'nav.mine', inBar: true },
  { href: '/templates', icon: 'copy', text: 'nav.templates', permission: 'template.read', inBar: true },
  { href: '/pools', icon: 'users', text: 'nav.pools', permission: 'pool.edit' },
  { href: '/storage/disks', icon: 'storage', text: 'nav.disks', permission: 'disk.edit', inBar: true },
  { href: '/tasks', icon: 'tasks', text: 'nav.tasks', permission: 'task.cancel', inBar: true },
];

function itemsFor({ can, isLimited }: Ui): NavItem[] {
  return (isLimited ? limitedItems : navItems).filter((item) => !item.permission || can(item.permission));
}

const htmxConfig = JSON.stringify({ includeIndicatorCSS: false, morphIgnore: ['data-htmx-powered', 'open'] });
const boost = JSON.stringify({ target: '#page', select: '#page', swap: 'outerHTML' });

interface DocumentProps {
  title: string;
  /** Loaded after the page, as modules. */
  scripts: string[];
  class: string;
  children?: Child;
}

/** The HTML document around a page. */
export function Document({ title, scripts, class: bodyClass, children }: DocumentProps) {
  const { locale, asset, csrf } = useUi();
  return (
    <html lang={locale}>
      <head>
        <meta charset="utf-8" />
        <title>{title}</title>
        <meta name="viewport" content="width=device-width, initial-scale=1, viewport-fit=cover" />
        {csrf && <meta name="csrf" content={csrf} />}
        <meta name="htmx-config" content={htmxConfig} />
        <link rel="icon" href={asset('mark.svg')} type="image/svg+xml" />
        <link rel="stylesheet" href={asset('bothy.css')} />
        <script src={asset('theme.js')} />
        <script src={asset('htmx.js')} defer />
        {scripts.map((name) => <script src={asset(name)} type="module" />)}
      </head>
      <body class={bodyClass} hx-boost:inherited={boost}>
        {children}
      </body>
    </html>
  );
}

export interface ShellProps {
  title: string;
  /** Kinds of things whose change makes the page fetch itself again. */
  live?: string[];
  /** `full`: the page fills the height of the window, as consoles do. */
  fill?: 'full';
  children?: Child;
}

export function Shell({ title, live = [], fill, children }: ShellProps) {
  const { t } = useUi();
  return (
    <Document title={`${title} · Bothy`} scripts={['shell.js', 'live.js', 'dialog.js', 'form.js']} class="shell">
      <a class="skip" href="#page">{t('layout.skip')}</a>
      <Rail />
      <Page live={live} fill={fill}>{children}</Page>
      <BottomBar />
      <Overlays />
    </Document>
  );
}

/** Fetches the page again when such a thing changes, and takes that part of it. */
function refreshOn(kinds: string[], select: string) {
  return { 'hx-get': '', 'hx-trigger': kinds.map((kind) => `bothy:${kind} from:body`).join(', '), 'hx-sync': 'this:queue last', 'hx-target': 'this', 'hx-select': select, 'hx-swap': 'outerMorph' };
}

function Page({ live, fill, children }: { live: string[]; fill: ShellProps['fill'] | undefined; children: Child }) {
  const { seq } = useUi();
  // An empty address is the one in the address bar, with the filters that were set meanwhile.
  const refresh = live.length > 0 ? refreshOn([...new Set([...live, 'rights'])], '#page') : {};
  return (
    <main id="page" tabindex={-1} hx-history-elt="" data-fill={fill} data-seq={String(seq)} {...refresh}>
      {children}
    </main>
  );
}

function Rail() {
  const ui = useUi();
  const { t } = ui;
  return (
    <header class="rail">
      <a class="brand" href="/"><Mark /><span class="brand-name">Bothy</span></a>
      <nav id="rail-nav" aria-label={t('layout.mainNav')} {...refreshOn(['rights'], '#rail-nav')}>
        <ul>{itemsFor(ui).map((item) => <li><NavLink item={item} /></li>)}</ul>
      </nav>
      <p class="rail-live" data-when="lost"><Icon name="alert" />{t('live.lost')}</p>
      <AccountMenu />
    </header>
  );
}

function NavLink({ item, isShort }: { item: NavItem; isShort?: boolean }) {
  const { t, path } = useUi();
  const isHere = item.href === '/' ? path === '/' : path === item.href || path.startsWith(`${item.href}/`) || (item.href === '/reports/use' && path.startsWith('/reports/'));
  return (
    <a href={item.href} aria-current={isHere ? 'page' : undefined} data-nav="">
      <Icon name={item.icon} /><span>{t((isShort && item.shortText) || item.text)}</span>
      {item.href === '/tasks' && <span class="nav-count" data-task-count="" hidden />}
    </a>
  );
}

function BottomBar() {
  const ui = useUi();
  const { t } = ui;
  const items = itemsFor(ui);
  return (
    <nav id="bar-nav" class="bar" aria-label={t('layout.mainNav')} {...refreshOn(['rights'], '#bar-nav')}>
      {items.filter((item) => item.inBar).map((item) => <NavLink item={item} isShort />)}
      <button type="button" popovertarget="more"><Icon name="menu" /><span>{t('layout.more')}</span></button>
      <div id="more" popover="auto" class="menu menu-sheet">
        {items.filter((item) => !item.inBar).map((item) => <NavLink item={item} />)}
        <hr />
        <AccountItems group="bar" />
      </div>
    </nav>
  );
}

function AccountMenu() {
  const { t, user } = useUi();
  return (
    <div class="account">
      <button type="button" class="account-button" popovertarget="account" aria-label={t('layout.account', { user })}>
        <Icon name="user" /><span>{user}</span>
      </button>
      <div id="account" popover="auto" class="menu"><AccountItems group="rail" /></div>
    </div>
  );
}

function AccountItems({ group }: { group: string }) {
  const { t, locale, user } = useUi();
  return (
    <>
      <p class="menu-title">{user}</p>
      <ThemeChoice group={group} />
      <label class="menu-row"><span>{t('layout.language')}</span>
        <select data-locale-choice="">
          {Object.entries(locales).map(([tag, name]) => <option value={tag} selected={tag === locale}>{name}</option>)}
        </select>
      </label>
      <hr />
      <a href="/account"><Icon name="key" />{t('nav.account')}</a>
      <a href="/api/v1/openapi.json" target="_blank" rel="noreferrer"><Icon name="external" />{t('nav.api')}</a>
      <button type="button" hx-delete="/api/v1/sessions/current" hx-swap="none" hx-headers='{"bothy-next":"/sign-in"}'>
        <Icon name="leave" />{t('auth.signOut')}
      </button>
    </>
  );
}

/** Three states: as the system says, light, dark. Kept in the browser by `theme.js`. */
export function ThemeChoice({ group }: { group: string }) {
  const { t } = useUi();
  const choices = [['auto', 'auto'], ['light', 'sun'], ['dark', 'moon']] as const;
  return (
    <fieldset class="theme-choice">
      <legend class="sr">{t('theme.label')}</legend>
      {choices.map(([value, icon]) => (
        <label>
          <input type="radio" name={`theme-${group}`} value={value} data-theme-choice="" checked={value === 'auto'} />
          <Icon name={icon} /><span>{t(`theme.${value}`)}</span>
        </label>
      ))}
    </fieldset>
  );
}

/** What floats above pages and outlives navigation: toasts and the confirmation dialog. */
function Overlays() {
  const { t } = useUi();
  return (
    <>
      <ol id="toasts" class="toasts" aria-live="polite" aria-label={t('toast.region')} />
      <div id="task-count" hidden hx-get="/tasks/count" hx-trigger="load, bothy:task from:body" hx-target="this" hx-sync="this:queue last" />
      <dialog id="confirm" class="dialog" aria-labelledby="confirm-title">
        <form method="dialog">
          <h2 id="confirm-title">{t('confirm.title')}</h2>
          <p data-body="" />
          <label class="field" data-type-name="" hidden>
            <span class="field-label">{t('confirm.typeName')} <strong data-name="" /></span>
            <input autocomplete="off" spellcheck={false} />
          </label>
          <footer>
            <button type="submit" class="button" value="cancel">{t('confirm.cancel')}</button>
            <button type="submit" class="button" value="ok" data-tone="danger" data-ok="">{t('confirm.ok')}</button>
          </footer>
        </form>
      </dialog>
      <template id="toast-offline">
        <Toast tone="bad" icon="error" stays title={t('toast.offline')}><p>{t('toast.offlineNext')}</p></Toast>
      </template>
    </>
  );
}
