/**
 * Problems as people see them: what happened, what to do next, the request id for the log.
 *
 * A form's problem goes to the top of that form and to its fields (slots marked `data-error-for`, found from the form
 * that sent the request); any other verb's problem becomes a toast that stays until it is closed.
 */
import { useUi } from './context.ts';
import { Icon } from './icon.tsx';
import { Bare } from './bare.tsx';
import { Shell } from './layout.tsx';
import { Empty } from './section.tsx';
import { LinkButton } from './action.tsx';
import { Toast, ToToasts } from './toast.tsx';

export interface ShownProblem {
  type: string;
  title: string;
  status: number;
  detail: string;
  requestId?: string | undefined;
  errors?: { path: string; message: string }[] | undefined;
}

export function ProblemText({ problem }: { problem: ShownProblem }) {
  const { t, phrase } = useUi();
  return (
    <div class="problem-text">
      <p>{phrase(problem.detail)}</p>
      {problem.requestId && problem.status >= 500 && <p class="quiet">{t('problem.requestId')} <code>{problem.requestId}</code></p>}
    </div>
  );
}

/** Answer to a request of an element that is not a form. */
export function ProblemToast({ problem }: { problem: ShownProblem }) {
  const { t, phrase } = useUi();
  return (
    <ToToasts>
      <Toast tone="bad" icon="error" stays title={t('problem.title')}>
        <ProblemText problem={problem} />
        {problem.errors && <ul>{problem.errors.map((error) => <li>{phrase(error.message)}</li>)}</ul>}
      </Toast>
    </ToToasts>
  );
}

/** Answer to a form: the summary at its top, each message at its field. Expects the form to have made its slots. */
export function FormProblem({ problem }: { problem: ShownProblem }) {
  const { t, phrase } = useUi();
  const errors = problem.errors ?? [];
  return (
    <>
      <hx-partial hx-target="find [data-form-problem]" hx-swap="innerHTML">
        <div class="notice" data-tone="bad" role="alert">
          <Icon name="error" />
          <div>
            <p class="notice-title">{phrase(problem.detail) || t('problem.title')}</p>
            {errors.length > 0 && <ul class="notice-body">{errors.map((error) => <li><code data-path={error.path}>{error.path}</code> {phrase(error.message)}</li>)}</ul>}
            {problem.requestId && problem.status >= 500 && <p class="quiet">{t('problem.requestId')} <code>{problem.requestId}</code></p>}
          </div>
        </div>
      </hx-partial>
      {errors.map((error) => (
        <hx-partial hx-target={`find [data-error-for='${cssText(error.path)}']`} hx-swap="innerHTML"><Icon name="error" />{phrase(error.message)}</hx-partial>
      ))}
    </>
  );
}

/** Paths come from schemas: letters, digits, dots. Anything else could end the quoted text and is dropped. */
function cssText(path: string): string {
  return path.replace(/[^\w.-]/g, '');
}

/** What one may not see may be given. */
const lookAgain = ['rights'];

/** A whole page in place of the one that was asked for. */
export function ProblemPage(props: { problem: ShownProblem }) {
  // One node deeper, so that the context is read while rendering and not by whoever calls this.
  return <ProblemFrame {...props} />;
}

function ProblemFrame({ problem }: { problem: ShownProblem }) {
  const { t, user, phrase } = useUi();
  const Frame = user ? Shell : Bare;
  const title = problem.status === 404 ? t('problem.notFound') : problem.status === 403 ? t('problem.forbidden') : t('problem.title');
  return (
    <Frame title={title} live={lookAgain}>
      <Empty icon={problem.status === 404 ? 'search' : 'alert'} title={title} text={phrase(problem.detail)} isPage>
        {problem.requestId && <p class="quiet">{t('problem.requestId')} <code>{problem.requestId}</code></p>}
        <LinkButton href="/" text={t('problem.home')} icon="hut" />
      </Empty>
    </Frame>
  );
}
