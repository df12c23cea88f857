/** Set-up, sign-in, and the page of one's own account with API tokens and sessions. */
import { passwordChange, sessionCreate, sessionDelete, sessionEnd, sessionList, setupOperation, tokenCreate, tokenDelete, tokenList } from '../../appliance/auth/operations.ts';
import type { TotpOutput } from '../../appliance/auth/schema.ts';
import { totpBegin, totpConfirm, totpGet, totpOff, totpRenew } from '../../appliance/auth/totp-operations.ts';
import { grantable, permissions } from '../../appliance/auth/rules.ts';
import type * as z from 'zod';
import { OperationButton } from '../action.tsx';
import { useUi } from '../context.ts';
import { Form } from '../form.tsx';
import { Time } from '../format.tsx';
import { Icon } from '../icon.tsx';
import { List } from '../list.tsx';
import { type AnyPage, definePage } from '../page.ts';
import { Chip, Empty, PageHead, Panel } from '../section.tsx';
import { Qr } from '../qr.tsx';

type Tokens = Awaited<ReturnType<typeof readTokens>>;
type Sessions = Awaited<ReturnType<typeof readSessions>>;
type Read = Parameters<AnyPage['load']>[0]['read'];

const readTokens = async (read: Read) => (await read(tokenList, {})).items;
const readSessions = async (read: Read) => (await read(sessionList, {})).items;

const setupPage = definePage({
  path: '/setup', frame: 'bare',
  load: ({ needsSetup }) => ({ needsSetup }),
  title: (_data, { t }) => t('auth.setup'),
  view: ({ needsSetup }, { t }) => needsSetup
    ? (
      <>
        <h1>{t('auth.setup')}</h1>
        <p class="lead">{t('auth.setupLead')}</p>
        <Form operation={setupOperation} id="setup" submit={t('auth.setupSubmit')} next="/" hasNoCall />
      </>
    )
    : <SetUpAlready />,
});

function SetUpAlready() {
  const { t } = useUi();
  return <><h1>{t('auth.setupDone')}</h1><p class="lead">{t('auth.setupDoneLead')}</p><a class="button" data-tone="primary" href="/sign-in">{t('auth.signIn')}</a></>;
}

const signInPage = definePage({
  path: '/sign-in', frame: 'bare',
  load: () => ({}),
  title: (_data, { t }) => t('auth.signIn'),
  view: (_data, { t }) => (
    <>
      <h1>{t('auth.signIn')}</h1>
      <p class="lead">{t('auth.signInLead')}</p>
      <Form operation={sessionCreate} id="sign-in" submit={t('auth.signIn')} next="/" hasNoCall />
    </>
  ),
});

const accountPage = definePage({
  path: '/account', live: ['token', 'totp', 'session'],
  load: async ({ read }) => ({ tokens: await readTokens(read), sessions: await readSessions(read), totp: await read(totpGet, {}) }),
  title: (_data, { t }) => t('nav.account'),
  view: ({ tokens, sessions, totp }, { t, user, can }) => (
    <>
      <PageHead title={t('nav.account')} lead={t('auth.signedInAs', { user })}><OperationButton operation={sessionDelete} path={{}} next="/sign-in" label={t('auth.signOut')} icon="leave" /></PageHead>
      <div class="stack">
        {(tokens.length > 0 || can(tokenCreate.permission)) && <TokenPanel tokens={tokens} />}
        <div class="grid">
          {can(tokenCreate.permission) && <Panel title={t('auth.newToken')}><NewToken /></Panel>}
          <Panel title={t('auth.changePassword')}><Form operation={passwordChange} id="password" submit={t('auth.changePassword')} hasNoCall /></Panel>
          <Panel title={t('auth.totp')} aside={totp.isOn && <Chip tone="ok" icon="check" text={t('auth.totpOn')} />}><Totp totp={totp} /></Panel>
        </div>
        <SessionPanel sessions={sessions} />
      </div>
    </>
  ),
});

/** The answer shows the token once, in the box below the form. */
function NewToken() {
  const { t, can, phrase } = useUi();
  const choices = grantable.filter((permission) => can(permission)).map((permission) => ({ value: permission, label: phrase(permissions[permission]) }));
  return (
    <Form operation={tokenCreate} id="token" submit={t('auth.newToken')} sections={[{ fields: ['name', 'validDays'] }, { title: t('auth.fewerRights'), fields: ['permissions'], isFolded: true }]} choices={{ permissions: choices }} submitTone="primary">
      <p class="quiet">{t('auth.newTokenHelp')}</p>
    </Form>
  );
}

/** Begun with the password, confirmed with a code, given up with a code. */
function Totp({ totp: { isOn, uri, secret, recoveryCodesLeft } }: { totp: z.output<typeof TotpOutput> }) {
  const { t } = useUi();
  if (isOn) {
    return (
      <>
        <Form operation={totpOff} id="totp-off" submit={t('auth.totpGiveUp')} submitTone="plain" next="/account" hasNoCall><p class="quiet">{t('auth.totpOnText')}</p></Form>
        <details class="form-section"><summary>{t('auth.recoveryLeft', { count: recoveryCodesLeft })}<Icon name="down" class="fold" /></summary>
          <Form operation={totpRenew} id="totp-renew" submit={t('auth.recoveryRenew')} submitTone="plain" hasNoCall><p class="quiet">{t('auth.recoveryText')}</p></Form>
        </details>
      </>
    );
  }
  if (uri === null || secret === null) return <Form operation={totpBegin} id="totp-begin" submit={t('auth.totpBegin')} submitTone="plain" next="/account" hasNoCall><p class="quiet">{t('auth.totpText')}</p></Form>;
  return (
    <Form operation={totpConfirm} id="totp-confirm" submit={t('auth.totpConfirm')} hasNoCall>
      <p>{t('auth.totpScan')}</p>
      <Qr text={uri} label={t('auth.totpQr')} />
      <p class="quiet">{t('auth.totpByHand')} <code>{secret.replace(/(.{4})(?=.)/g, '$1 ')}</code></p>
    </Form>
  );
}

function TokenPanel({ tokens }: { tokens: Tokens }) {
  const { t } = useUi();
  if (tokens.length === 0) return <Panel title={t('auth.tokens')}><Empty icon="key" title={t('auth.noTokens')} text={t('auth.noTokensText')} /></Panel>;
  return (
    <Panel title={t('auth.tokens')} layout="flush">
      <List label={t('auth.tokens')} rows={tokens} rowId={(token) => `token-${token.id}`} columns={[
        { head: t('field.name'), as: 'main', cell: (token) => <><Icon name="key" /> <strong>{token.name}</strong></> },
        { head: t('field.owner'), cell: (token) => token.user },
        { head: t('auth.rights'), cell: (token) => <Rights token={token} /> },
        { head: t('auth.validUntil'), cell: (token) => <Validity expiresAt={token.expiresAt} /> },
        { head: t('field.lastUsed'), cell: (token) => token.lastUsedAt === null ? t('time.never') : <Time at={token.lastUsedAt} /> },
        { head: t('field.created'), from: 'desktop', cell: (token) => <Time at={token.createdAt} as="clock" /> },
        { head: t('field.verbs'), as: 'verbs', cell: (token) => (
          <OperationButton operation={tokenDelete} path={{ token: token.id }} label={t('auth.deleteToken')} icon="trash" tone="quiet" isCompact
            confirm={{ title: t('auth.deleteTokenTitle', { name: token.name }), body: t('auth.deleteTokenBody') }} />
        ) },
      ]} />
    </Panel>
  );
}

/** What it may do; one that may do less than its owner says so. */
function Rights({ token: { permissions: held, isLimited } }: { token: Tokens[number] }) {
  const { t, phrase } = useUi();
  const list = held ?? grantable;
  return (
    <>
      {isLimited ? <Chip tone="warn" icon="key" text={t('auth.limited')} /> : <span>{t('auth.allRights')}</span>}
      <details class="permissions"><summary>{t('people.count', { count: list.length })}<Icon name="down" class="fold" /></summary>
        <ul>{list.map((permission) => <li title={permission}>{phrase(permissions[permission as keyof typeof permissions] ?? permission)}</li>)}</ul>
      </details>
    </>
  );
}

function Validity({ expiresAt }: { expiresAt: number | null }) {
  const { t } = useUi();
  if (expiresAt === null) return <>{t('auth.untilDeleted')}</>;
  return expiresAt <= Date.now() ? <Chip tone="bad" icon="clock" text={t('auth.expired')} /> : <Time at={expiresAt} as="clock" />;
}

function SessionPanel({ sessions }: { sessions: Sessions }) {
  const { t } = useUi();
  return (
    <Panel title={t('auth.sessions')} layout="flush">
      <List label={t('auth.sessions')} rows={sessions} rowId={(session) => `session-${session.id}`} columns={[
        { head: t('field.user'), as: 'main', cell: (session) => <><strong>{session.user}</strong>{session.isThisOne && <small>{t('auth.thisSession')}</small>}</> },
        { head: t('field.from'), cell: (session) => <code>{session.from}</code> },
        { head: t('field.lastSeen'), cell: (session) => <Time at={session.lastSeenAt} /> },
        { head: t('field.verbs'), as: 'verbs', cell: (session) => session.isThisOne ? null : (
          <OperationButton operation={sessionEnd} path={{ session: session.id }} label={t('auth.endSession')} icon="leave" tone="quiet" isCompact />
        ) },
      ]} />
    </Panel>
  );
}

export const authPages: AnyPage[] = [setupPage, signInPage, accountPage];
