/**
 * The connection file of virt-viewer (`remote-viewer console.vv`): an INI file that names host and port. Pure.
 * The viewer deletes it after reading, for it is of use once.
 */
export function viewerFile({ title, host, port }: { title: string; host: string; port: number }): string {
  const oneLine = title.replace(/[^\P{C}]/gu, ' ');
  return ['[virt-viewer]', 'type=vnc', `host=${host}`, `port=${port}`, `title=${oneLine}`, 'delete-this-file=1', ''].join('\n');
}
