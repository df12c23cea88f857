/** The definition in a file of memory, with the disks as they lie now. Pure. */
import { deviceAlias, diskXml, type DiskDevice } from '../definition/device-xml.ts';
import { type Element, find, findAll, parseXml, printXml } from '../definition/xml.ts';

/** What says where a disk's content lies; all else is as the guest knows it. */
const places = new Set(['source', 'backingStore']);

export function restoredXml(savedXml: string, disks: DiskDevice[], nvramPath: string | undefined): string {
  const domain = parseXml(savedXml);
  for (const disk of findAll(domain, 'devices', 'disk')) {
    const wish = disks.find(({ id }) => deviceAlias(id) === find(disk, 'alias')?.attributes.name);
    if (wish) place(disk, diskXml(wish));
  }
  const nvram = find(domain, 'os', 'nvram');
  if (nvram && nvramPath !== undefined) nvram.children = [nvramPath];
  return printXml(domain);
}

function place(disk: Element, wanted: Element): void {
  const isPlace = (child: Element | string) => typeof child !== 'string' && places.has(child.name);
  disk.children = [...disk.children.filter((child) => !isPlace(child)), ...wanted.children.filter(isPlace)];
  const [driver, type] = [find(disk, 'driver'), find(wanted, 'driver')?.attributes.type];
  if (driver && type !== undefined) driver.attributes = { ...driver.attributes, type };
}
