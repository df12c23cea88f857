/**
 * Verbs as buttons. An `OperationButton` is a face of an operation record: it posts to the very API address, is hidden from
 * people without the permission, greyed with its reason where the state forbids it, and asks first where it destroys.
 * The server answers with a toast (`task.tsx`, `problem.tsx`) or, where `next` is given, with the address to go to.
 */
import type { Child } from 'hono/jsx';
import { kindOfPath } from '../appliance/auth/rules.ts';
import { isId } from '../appliance/core/id.ts';
import type { ObjectRef } from '../appliance/core/objects.ts';
import { type AnyOperation, fillPath } from '../appliance/core/operation.ts';
import { useUi } from './context.ts';
import { Icon, type IconName } from './icon.tsx';

export type ButtonTone = 'plain' | 'primary' | 'danger' | 'quiet';

export interface Confirm {
  title: string;
  body: string;
  /** Name to type before the button works, for what cannot be undone. */
  typeName?: string;
}

export interface OperationButtonProps {
  operation: AnyOperation;
  /** Values of the path's parameters. */
  path: Record<string, string>;
  /** Fields of the body. */
  values?: Record<string, string | number | boolean>;
  label?: string;
  icon?: IconName;
  tone?: ButtonTone;
  /** Icon only; the label becomes the tooltip and the spoken name. */
  isCompact?: boolean;
  /** Why it cannot be done now. */
  disabledReason?: string | undefined;
  confirm?: Confirm | undefined;
  /** Page to go to when it worked; may name fields of the answer, such as `/vms/{name}`. */
  next?: string;
  /** Generation that the reader saw, sent as `If-Match`. */
  generation?: number;
  /** The thing that it is about, where the path names it by its name. */
  about?: ObjectRef;
}

export function OperationButton(props: OperationButtonProps) {
  const { phrase, can } = useUi();
  const { operation, path, values, label, confirm, next, generation } = props;
  if (operation.permission !== 'public' && !can(operation.permission, props.about ?? objectOf(operation, path))) return null;
  const text = label ?? phrase(operation.summary);
  const request = { [`hx-${operation.method.toLowerCase()}`]: apiPath(operation, path), 'hx-swap': 'none', 'hx-disable': 'this' };
  return (
    <Button text={text} icon={props.icon} tone={props.tone} isCompact={props.isCompact} disabledReason={props.disabledReason}
      {...request} hx-vals={values ? JSON.stringify(values) : undefined} hx-headers={answerHeaders(next, generation)}
      {...(confirm ? confirmAttributes(confirm, text) : {})} />
  );
}

/** The thing that a path names, where it does so by its id. */
export function objectOf({ path }: AnyOperation, values: Record<string, string>): ObjectRef | undefined {
  const about = kindOfPath(path);
  const id = about && values[about.parameter];
  return about && id !== undefined && isId(id) ? { kind: about.kind, id } : undefined;
}

/** The address of an operation with its path filled, such as `/api/v1/vms/web-1/start`. */
export function apiPath(operation: AnyOperation, path: Record<string, string>): string {
  return `/api/v1${fillPath(operation.path, path)}`;
}

/** Request headers that steer the answer: where to go next, which generation was seen. */
export function answerHeaders(next: string | undefined, generation: number | undefined): string | undefined {
  if (!next && generation === undefined) return undefined;
  return JSON.stringify({ ...(next && { 'bothy-next': next }), ...(generation !== undefined && { 'If-Match': `"${generation}"` }) });
}

function confirmAttributes({ title, body, typeName }: Confirm, label: string) {
  return { 'hx-confirm': title, 'data-confirm-body': body, 'data-confirm-label': label, 'data-confirm-type': typeName };
}

export interface ButtonProps {
  text: string;
  icon?: IconName | undefined;
  tone?: ButtonTone | undefined;
  isCompact?: boolean | undefined;
  disabledReason?: string | undefined;
  type?: 'button' | 'submit';
  [attribute: `${'hx' | 'data' | 'aria'}-${string}`]: string | undefined;
  popovertarget?: string;
}

export function Button({ text, icon, tone = 'plain', isCompact, disabledReason, type = 'button', ...rest }: ButtonProps) {
  const { phrase } = useUi();
  const tip = disabledReason ? `${text}: ${phrase(disabledReason)}` : isCompact ? text : undefined;
  return (
    <button type={type} class="button" data-tone={tone} data-compact={isCompact ? '' : undefined} title={tip}
      aria-label={isCompact || disabledReason ? tip : undefined} disabled={disabledReason !== undefined} {...rest}>
      {icon && <Icon name={icon} />}<span class={isCompact ? 'sr' : undefined}>{text}</span>
    </button>
  );
}

export function LinkButton({ href, text, icon, tone = 'plain', isCompact, target, download }: {
  href: string; text: string; icon?: IconName; tone?: ButtonTone; isCompact?: boolean; target?: '_blank'; download?: boolean }) {
  return (
    <a class="button" data-tone={tone} data-compact={isCompact ? '' : undefined} href={href} target={target} download={download}
      title={isCompact ? text : undefined}>
      {icon && <Icon name={icon} />}<span class={isCompact ? 'sr' : undefined}>{text}</span>
    </a>
  );
}

/** Less common verbs behind three dots. `id` must be unique on the page and stay the same between refreshes. */
export function More({ id, label, children }: { id: string; label: string; children?: Child }) {
  return (
    <>
      <Button text={label} icon="more" tone="quiet" isCompact popovertarget={id} />
      <div id={id} popover="auto" class="menu">{children}</div>
    </>
  );
}

/** A modal form or message, opened by a button with `data-dialog={id}`. */
export function Dialog({ id, title, children }: { id: string; title: string; children?: Child }) {
  const { t } = useUi();
  return (
    <dialog id={id} class="dialog" aria-labelledby={`${id}-title`}>
      <header class="dialog-head">
        <h2 id={`${id}-title`}>{title}</h2>
        <form method="dialog"><Button text={t('dialog.close')} icon="close" tone="quiet" isCompact type="submit" /></form>
      </header>
      {children}
    </dialog>
  );
}
