/** Storage domains, installation images and disks, as steps of a plan. Pure. */
import type { Current } from './current.ts';
import { differences, entries, exactSize, type NewDisk, perform, type Section, type Step, step, type Wish } from './plan-step.ts';
import { diskName } from './rules.ts';
import type { Content } from './schema.ts';

export function planDomains(wish: Wish): Step[] {
  const { domains } = wish.current;
  return entries(wish, 'storageDomains').flatMap(({ wanted, given }) => {
    const is = domains.find(({ name }) => name === wanted.name);
    if (!is) return step('storageDomains', 'conflict', wanted.name, [`There is no such storage domain, and this version makes no new ones. There are: ${domains.map(({ name }) => name).join(', ')}.`]);
    const { changes, details } = differences(['description', 'lowSpacePercent', 'criticalSpaceBytes'], { wanted, given, is });
    return details.length === 0 ? [] : step('storageDomains', 'change', wanted.name, details, perform('storage-domain.edit', { domain: is.id, ...changes }));
  });
}

function sourceText({ url, file }: { url?: string | undefined; file?: string | undefined }): string {
  if (url === undefined) return `file ${file ?? ''}`;
  const { host, pathname } = new URL(url);
  return `${host}${pathname}`; // what follows a "?" may be a key
}

export function planImages({ site, current }: Wish): Step[] {
  return site.images.flatMap((image) => {
    const domain = current.domains.find(({ name, id }) => name === image.domain || id === image.domain);
    if (domain?.kind !== 'iso') return step('images', 'conflict', image.name, [`There is no storage domain "${image.domain}" for installation images.`]);
    const is = current.images.find(({ name, domain: holder }) => name === image.name && holder === domain.name);
    const isOther = is !== undefined && image.sha256 !== undefined && is.sha256 !== null && is.sha256 !== image.sha256;
    if (is && !isOther) return [];
    const using = is?.usedBy.map(({ name }) => name).join(', ');
    if (using) return step('images', 'conflict', image.name, [`It has other content, and ${using} uses it. Eject it there, or give the new one another name.`]);
    return step('images', 'fetch', image.name, [`from ${sourceText(image)}`], { do: 'fetch', image });
  });
}

export function planDisks({ site, current, promised }: Wish): Step[] {
  const own = site.disks.flatMap(({ content, ...disk }) => {
    const is = current.disks.find(({ name }) => name === disk.name);
    if (content) return planFilled(disk, content, { is, promised });
    if (!is) return step('disks', 'create', disk.name, [], perform('disk.create', disk));
    return planSize('disks', disk, is);
  });
  const ofVms = site.vms.flatMap((vm) => vm.disks.flatMap(({ content, sizeBytes = 0, format, allocation, domain, ...disk }, index) => {
    const name = diskName(vm, disk, index);
    const is = current.disks.find((each) => each.name === name);
    return content ? planFilled({ name, sizeBytes, ...(format && { format }), ...(allocation && { allocation }), ...(domain && { domain }) }, content, { is, promised }) : [];
  }));
  return [...own, ...ofVms];
}

function planFilled(disk: NewDisk, content: Content, { is, promised }: { is: Current['disks'][number] | undefined; promised: ReadonlySet<string> }): Step[] {
  if (!is || promised.has(disk.name)) return [step('disks', 'fill', disk.name, [`from ${sourceText(content)}`], { do: 'fill', disk, content })];
  return planSize('disks', disk, is);
}

/** A disk that is there: it can grow, and that is all. */
export function planSize(section: Section, wanted: NewDisk, is: { id: string; name: string; sizeBytes: number; format: string; allocation: string }): Step[] {
  const fixed = (['format', 'allocation'] as const).filter((name) => wanted[name] !== undefined && wanted[name] !== is[name]);
  if (fixed.length > 0) return [step(section, 'conflict', is.name, fixed.map((name) => `${name}: is ${is[name]}, and a disk keeps it`))];
  if (wanted.sizeBytes < is.sizeBytes) return [step(section, 'note', is.name, [`has ${exactSize(is.sizeBytes)}, more than the file says: a disk never shrinks`])];
  return wanted.sizeBytes === is.sizeBytes ? [] : [step(section, 'change', is.name, [`sizeBytes: ${exactSize(is.sizeBytes)} -> ${exactSize(wanted.sizeBytes)}`], perform('disk.resize', { disk: is.id, sizeBytes: wanted.sizeBytes }))];
}
