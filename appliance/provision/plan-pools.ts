/** The part of a plan that is about pools. A file cannot hold what is on the images of a template: that must be here already. Pure. */
import { cloudInitChanges } from './plan-cloud-init.ts';
import { differences, entries, perform, type Step, step, type Wish } from './plan-step.ts';

export function planPools(wish: Wish): Step[] {
  return entries(wish, 'pools').flatMap(({ wanted, given }) => {
    const { templates, pools } = wish.current;
    const isMeant = ({ id, name, version }: (typeof templates)[number]) => [id, name, `${name}:${version}`].includes(wanted.template);
    if (!templates.some((template) => isMeant(template) && template.state === 'ok')) return step('pools', 'conflict', wanted.name, [`There is no template "${wanted.template}". Make it first, then apply the file again.`]);
    const is = pools.find(({ name }) => name === wanted.name);
    if (!is) return step('pools', 'create', wanted.name, [`VMs: ${wanted.size}, from ${wanted.template}`], perform('pool.create', { ...wanted }));
    const isSame = is.template === wanted.template || is.template.startsWith(`${wanted.template}:`);
    const { changes, details } = differences(['description', 'size', 'prestarted', ...(isSame ? [] : ['template'])], { wanted, given, is });
    const told = wanted.cloudInit && cloudInitChanges(wanted.cloudInit, given['cloudInit'] as Record<string, unknown>, is.cloudInit ?? undefined, { hasPassword: is.cloudInit?.hasPassword ?? false, secret: wish.guestSecrets.pools.get(is.name) }); // checked by the schema
    const hasOther = told !== undefined && (told.names.length > 0 || is.cloudInit === null);
    const all = [...details, ...(hasOther ? [`cloud-init: ${told.names.join(', ') || 'hostname'}`] : [])];
    return all.length === 0 ? [] : step('pools', 'change', wanted.name, all, perform('pool.edit', { pool: is.id, ...changes, ...(hasOther && { cloudInit: told.changes }) }));
  });
}
