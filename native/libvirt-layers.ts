/**
 * libvirt's words for "these layers go on top of these disks, and nothing else is touched". libvirt makes a layer of its own for every disk that is not
 * named, so each disk of the live definition is. That is libvirt's own XML, with quotes as it writes them.
 */
export function layersXml(liveXml: string, layers: Record<string, string>, memoryPath?: string): string {
  const disks = [...liveXml.matchAll(/<target dev='([^']*)'[^>]*bus=/g)].map(([, target = '']) => {
    const path = layers[target];
    if (path === undefined) return `<disk name='${target}' snapshot='no'/>`;
    return `<disk name='${target}' snapshot='external' type='file'><driver type='qcow2'/><source file='${escaped(path)}'/></disk>`;
  });
  const memory = memoryPath === undefined ? '' : `<memory snapshot='external' file='${escaped(memoryPath)}'/>`;
  return `<domainsnapshot>${memory}<disks>${disks.join('')}</disks></domainsnapshot>`;
}

const escaped = (text: string) => text.replaceAll('&', '&amp;').replaceAll("'", '&apos;').replaceAll('<', '&lt;');
