/**
 * The connection file of virt-viewer (`remote-viewer console.vv`): an INI file that names host and port. Pure.
 * The viewer deletes it after reading, for it is of use once.
 */
export interface ViewerAddress {
  type: 'vnc' | 'spice';
  host: string;
  port: number;
  /** All connections of the viewer use TLS. */
  isSecure: boolean;
  password?: string;
  /** A certificate that signed itself, which no machine knows beforehand: PEM, and the name in it. */
  own?: { pem: string; subject: string };
}

export function viewerFile({ title, type, host, port, isSecure, password, own }: ViewerAddress & { title: string }): string {
  const values: Record<string, string | number | undefined> = {
    type, host, [isSecure ? 'tls-port' : 'port']: port, password,
    'secure-channels': isSecure ? 'all' : undefined,
    ca: own?.pem.replaceAll('\n', '\\n'), 'host-subject': own?.subject,
    title: title.replace(/[^\P{C}]/gu, ' '), 'delete-this-file': 1,
  };
  return ['[virt-viewer]', ...Object.entries(values).flatMap(([name, value]) => (value === undefined ? [] : [`${name}=${value}`])), ''].join('\n');
}
