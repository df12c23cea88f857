/** What a task or an event is about, as links to the pages of those things. */
export interface About {
  kind: string;
  id: string;
  name: string;
}

const pagesOfKinds: Record<string, (about: About) => string> = {
  vm: ({ name, id }) => `/vms/${encodeURIComponent(name || id)}`,
  template: () => '/templates',
  pool: () => '/pools',
  disk: () => '/storage/disks',
  'storage-domain': () => '/storage',
  iso: () => '/storage/isos',
  network: () => '/networks',
  host: () => '/host',
  destination: () => '/events/destinations',
  task: ({ id }) => `/tasks/${id}`,
};

export function AboutLinks({ about }: { about: About[] }) {
  return <span class="about">{about.map((thing, index) => <>{index > 0 && ', '}<AboutLink about={thing} /></>)}</span>;
}

function AboutLink({ about }: { about: About }) {
  const href = pagesOfKinds[about.kind]?.(about);
  const text = about.name || about.id;
  return href ? <a href={href}>{text}</a> : <span>{text}</span>;
}
