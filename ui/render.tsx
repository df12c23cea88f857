/** Pages and answers as HTML text for the HTTP layer. Everything that `ui/` shows leaves through here. */
import type { Child } from 'hono/jsx';
import { type Ui, UiContext } from './context.ts';
import { Bare } from './bare.tsx';
import { Shell } from './layout.tsx';
import type { AnyPage } from './page.ts';

export async function renderPage(page: AnyPage, data: unknown, ui: Ui): Promise<string> {
  const title = page.title(data, ui);
  // The view runs inside the provider, so that every component below can read the context.
  const View = () => <>{page.view(data, ui)}</>;
  if (page.frame === 'fragment') return renderAnswer(<View />, ui);
  const framed =
    page.frame === 'bare'
      ? <Bare title={title}><View /></Bare>
      : <Shell title={title} live={page.live ?? []} {...(page.frame === 'full' && { fill: 'full' as const })}><View /></Shell>;
  return `<!doctype html>${await renderAnswer(framed, ui)}`;
}

export async function renderAnswer(content: Child, ui: Ui): Promise<string> {
  const html = await (<UiContext.Provider value={ui}>{content}</UiContext.Provider>);
  return html.toString();
}
