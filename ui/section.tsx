/**
 * The parts a page is made of: its head with title and verbs, tabs, panels, lists of facts, figures, state chips.
 * A chip always says its state in a word and a shape besides its colour.
 */
import type { Child } from 'hono/jsx';
import { useUi } from './context.ts';
import { Icon, type IconName } from './icon.tsx';

export interface PageHeadProps {
  title: string;
  /** Where this page hangs: a link back to the list. */
  parent?: { href: string; text: string };
  /** Beside the title, such as a state chip. */
  aside?: Child;
  /** One line below the title. */
  lead?: Child;
  /** The verbs of the page, the main one first. */
  children?: Child;
}

export function PageHead({ title, parent, aside, lead, children }: PageHeadProps) {
  return (
    <header class="page-head">
      <div class="page-head-text">
        {parent && <a class="parent" href={parent.href}><Icon name="left" />{parent.text}</a>}
        <div class="page-title"><h1>{title}</h1>{aside}</div>
        {lead && <p class="lead">{lead}</p>}
      </div>
      {children && <div class="verbs">{children}</div>}
    </header>
  );
}

export interface Tab {
  href: string;
  text: string;
  icon?: IconName;
  count?: number;
}

/** Tabs are pages of their own: each has an address, and Back works. */
export function Tabs({ tabs, label }: { tabs: Tab[]; label: string }) {
  const { path } = useUi();
  return (
    <nav class="tabs" aria-label={label}>
      {tabs.map((tab) => (
        <a href={tab.href} aria-current={tab.href === path ? 'page' : undefined}>
          {tab.icon && <Icon name={tab.icon} />}{tab.text}
          {tab.count !== undefined && <span class="tab-count">{tab.count}</span>}
        </a>
      ))}
    </nav>
  );
}

export interface PanelProps {
  title?: string;
  /** At the right of the title: a link or a button. */
  aside?: Child;
  id?: string;
  /** `wide`: spans the whole grid. `flush`: content touches the edges, as tables do. */
  layout?: 'wide' | 'flush' | 'wide flush';
  children?: Child;
}

export function Panel({ title, aside, id, layout, children }: PanelProps) {
  return (
    <section class="panel" id={id} data-layout={layout}>
      {title && <header class="panel-head"><h2>{title}</h2>{aside && <div class="panel-aside">{aside}</div>}</header>}
      {children}
    </section>
  );
}

/** Label and value pairs; an empty value is shown as a dash. */
export function Facts({ items }: { items: [label: string, value: Child][] }) {
  return <dl class="facts">{items.map(([label, value]) => <div><dt>{label}</dt><dd>{value || '–'}</dd></div>)}</dl>;
}

export interface FigureProps {
  label: string;
  icon: IconName;
  value: Child;
  /** Small print after the value, such as "of 32 GiB". */
  note?: Child;
  href?: string;
  children?: Child;
}

/** One large number with its unit and an optional bar. */
export function Figure({ label, icon, value, note, href, children }: FigureProps) {
  return (
    <div class="figure">
      <p class="figure-label"><Icon name={icon} />{href ? <a href={href}>{label}</a> : label}</p>
      <p class="figure-value">{value}{note && <span class="figure-note">{note}</span>}</p>
      {children}
    </div>
  );
}

export type Tone = 'ok' | 'off' | 'busy' | 'warn' | 'bad' | 'info';

export interface ChipProps {
  tone: Tone;
  icon: IconName;
  text: string;
  /** Why, in the tooltip and for screen readers. */
  reason?: string | undefined;
}

export function Chip({ tone, icon, text, reason: english }: ChipProps) {
  const reason = useUi().phrase(english ?? '');
  return (
    <span class="chip" data-tone={tone} title={reason || undefined}>
      <Icon name={icon} />{text}{reason !== '' && <span class="sr">: {reason}</span>}
    </span>
  );
}

export interface NoticeProps {
  tone: Tone;
  title: string;
  /** Verbs that solve it. */
  actions?: Child;
  children?: Child;
}

const noticeIcons: Record<Tone, IconName> = { ok: 'check', off: 'info', busy: 'clock', warn: 'alert', bad: 'error', info: 'info' };

/** Something the reader should know about the page's subject: what happened and what to do. */
export function Notice({ tone, title, actions, children }: NoticeProps) {
  return (
    <aside class="notice" data-tone={tone} role={tone === 'bad' ? 'alert' : undefined}>
      <Icon name={noticeIcons[tone]} />
      <div><p class="notice-title">{title}</p>{children && <div class="notice-body">{children}</div>}</div>
      {actions && <div class="notice-actions">{actions}</div>}
    </aside>
  );
}

/** What to see where nothing is yet, and the first step; as the whole of a page it is the page's heading. */
export function Empty({ icon, title, text, isPage, children }: { icon: IconName; title: string; text: string; isPage?: boolean; children?: Child }) {
  return (
    <div class="empty">
      <Icon name={icon} />{isPage ? <h1>{title}</h1> : <h2>{title}</h2>}<p>{text}</p>
      {children && <div class="verbs">{children}</div>}
    </div>
  );
}
