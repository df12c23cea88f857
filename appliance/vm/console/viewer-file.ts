/**
 * The connection file of virt-viewer (`remote-viewer console.vv`): an INI file that names host and port. Pure.
 * The viewer deletes it after reading, for it is of use once.
 */
export interface ViewerAddress {
  type: 'vnc' | 'spice';
  host: string;
  port: number;
  password?: string;
}

export function viewerFile({ title, type, host, port, password }: ViewerAddress & { title: string }): string {
  const oneLine = title.replace(/[^\P{C}]/gu, ' ');
  return ['[virt-viewer]', `type=${type}`, `host=${host}`, `port=${port}`, ...(password === undefined ? [] : [`password=${password}`]), `title=${oneLine}`, 'delete-this-file=1', ''].join('\n');
}
