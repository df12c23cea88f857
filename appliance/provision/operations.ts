/** The verbs of the site file: check, plan, apply, export, and how it stands. */
import * as z from 'zod';
import { type Operation, read, startTask, stream } from '../core/operation.ts';
import { Problem } from '../core/problem.ts';
import type { GuestSecret } from '../vm/cloud-init/settings.ts';
import { exportSite } from './export.ts';
import type { SiteFileRow } from './files.ts';
import { siteJsonSchema } from './json-schema.ts';
import { lookNow, planNow, reopen, type Wanted } from './look.ts';
import { CheckInput, CheckOutput, ExportInput, PlanOutput, SiteOutput, TextInput } from './schema.ts';
import type { SiteServices } from './services.ts';
import { begin, checkText, requireGood, take } from './take.ts';

const reader = (call: { requestId: string; signal: AbortSignal; actor: { name: string } }) => ({ actor: call.actor.name, requestId: call.requestId, signal: call.signal });

export const siteGet = read<SiteServices>()({
  id: 'site.get', method: 'GET', path: '/site', permission: 'site.read', summary: 'Show which site file is applied and which was found',
  input: z.object({}), output: SiteOutput,
  run({ files, key }) {
    const [current, found] = [files.current(), files.found()];
    return {
      current: current ? showTaken(current) : null,
      found: found ? { id: found.id, state: found.state === 'refused' ? ('refused' as const) : ('waiting' as const), source: found.source, receivedAt: found.receivedAt, faults: found.faults } : null,
      sealingKey: key.publicKey(),
    };
  },
});

function showTaken({ id, state, source, receivedAt, endedAt, task, actor }: SiteFileRow) {
  return { id, state: state === 'applied' || state === 'failed' ? state : 'applying' as const, source, receivedAt, endedAt, task, actor };
}

export const siteCheck = read<SiteServices>()({
  id: 'site.check', method: 'POST', path: '/site/check', permission: 'site.read', summary: 'Check a site file and tell everything that is wrong',
  input: CheckInput, output: CheckOutput,
  run(services, _call, { text }) {
    const { faults } = checkText(services, text);
    return { isValid: faults.length === 0, faults };
  },
});

export const sitePlan = read<SiteServices>()({
  id: 'site.plan', method: 'POST', path: '/site/plan', permission: 'site.read', summary: 'Show what a site file would change',
  input: TextInput, output: PlanOutput,
  async run(services, call, { text }) {
    const steps = await planNow(services, reader(call), wantedOf(services, text));
    return { steps: steps.map(({ action: _hidden, ...step }) => step), isConverged: steps.every(({ verb }) => verb === 'note') };
  },
});

/** That text; without one the file that waits, else the one that was taken last. */
function wantedOf(services: SiteServices, text: string | undefined): Wanted {
  if (text !== undefined) {
    const checked = checkText(services, text);
    requireGood(checked);
    return { site: checked.site, document: checked.document };
  }
  const row = known(services);
  const wanted = reopen(services, row.document);
  if (!wanted) throw new Problem('wrong-state', 'The site file that is kept here can no longer be read. Apply it again.');
  return wanted;
}

function known({ files }: SiteServices): SiteFileRow {
  const found = files.found();
  const row = found?.state === 'waiting' ? found : files.current();
  if (!row) throw new Problem('not-found', 'No site file was applied here yet. Give one.');
  return row;
}

export const siteApply = startTask<SiteServices>()({
  id: 'site.apply', method: 'POST', path: '/site/apply', permission: 'site.apply', summary: 'Apply a site file',
  input: TextInput,
  prepare(services, _call, { text }) {
    if (text === undefined) return undefined;
    const checked = checkText(services, text);
    requireGood(checked);
    return checked;
  },
  run(services, tx, { text }, checked) {
    if (text === undefined || !checked) return begin(services, tx, known(services).id);
    return take(services, tx, { text, checked, source: `given by ${tx.call.actor.name}`, isFound: false });
  },
});

export const siteExport = stream<SiteServices>()({
  id: 'site.export', method: 'GET', path: '/site/export', permission: 'site.read', summary: 'Export this appliance as a site file',
  input: ExportInput, responseType: 'application/yaml',
  async run(services, call, { secrets }) {
    if (secrets && !call.actor.permissions.has('site.apply')) throw new Problem('forbidden', `${call.actor.name} may not export secrets: it needs the permission "site.apply".`);
    const text = exportSite(await lookNow(services, reader(call)), { hasSecrets: secrets, ...keptFor(services, secrets) });
    return new Response(text, { headers: { 'content-type': 'application/yaml; charset=utf-8', 'content-disposition': 'attachment; filename="bothy-site.yaml"', 'cache-control': 'no-store' } });
  },
});

const noSecrets = { vms: new Map<string, GuestSecret>(), pools: new Map<string, GuestSecret>() };

function keptFor({ people, files, key, certificates, activity, guestSecrets }: SiteServices, secrets: boolean) {
  const served = certificates.current();
  const applied = files.current()?.document as { cluster?: { token?: string }; onNewFile?: unknown } | null | undefined; // checked when it was taken
  const { token, ...cluster } = applied?.cluster ?? {};
  const openToken = secrets && token !== undefined ? { token: key.unseal(token) ?? token } : {};
  return {
    passwordHashes: new Map(secrets ? people.users().filter(people.hasPassword).map(({ name, passwordHash }) => [name, passwordHash]) : []),
    destinationSecrets: new Map(secrets ? activity.destinations.all().map(({ name, secrets: kept }) => [name, kept]) : []),
    certificate: secrets && served && !served.isOwn ? { chain: served.chain, key: served.key } : undefined,
    guestSecrets: secrets ? guestSecrets() : noSecrets,
    contents: new Map(files.contents().map(({ disk, content }) => [disk, content])),
    stored: {
      ...(applied?.cluster && { cluster: { ...cluster, ...openToken } }),
      ...(applied?.onNewFile !== undefined && { onNewFile: applied.onNewFile }),
    },
  };
}

export const siteSchema = stream<SiteServices>()({
  id: 'site.schema', method: 'GET', path: '/site/schema.json', permission: 'site.read', summary: 'Show the JSON Schema of the site file, for editors',
  input: z.object({}), responseType: 'application/schema+json',
  run: () => Response.json(siteJsonSchema(), { headers: { 'content-type': 'application/schema+json' } }),
});

export const siteOperations = [siteGet, siteCheck, sitePlan, siteApply, siteExport, siteSchema] as Operation<SiteServices>[]; // each was checked where it was made
