/**
 * The icons: our own small set, drawn on a 20 x 20 grid with one 1.5 stroke in the colour of the text around them.
 * Decorative by default (`aria-hidden`); the words beside them carry the meaning.
 */
const paths = {
  hut: 'M2.5 10.5 10 4l7.5 6.5M4.5 9v7.5h11V9M8.5 16.5v-4h3v4',
  vm: 'M3 4.5h14v9H3zM7 16.5h6M10 13.5v3M8.5 7l3 2-3 2z',
  storage: 'M4 5.5c0-1.1 2.7-2 6-2s6 .9 6 2-2.7 2-6 2-6-.9-6-2zM4 5.5v9c0 1.1 2.7 2 6 2s6-.9 6-2v-9M4 10c0 1.1 2.7 2 6 2s6-.9 6-2',
  network: 'M7.5 3h5v4h-5zM2.5 13h5v4h-5zM12.5 13h5v4h-5zM10 7v3M5 13v-3h10v3',
  host: 'M3 4h14v5H3zM3 11h14v5H3zM6 6.5h.01M6 13.5h.01M9 6.5h5M9 13.5h5',
  tasks: 'M3 5.5 4.5 7 7 4M3 13.5 4.5 15 7 12M10 6h7M10 14h7',
  events: 'M4 3h9l3 3v11H4zM7 8h6M7 11h6M7 14h3',
  users: 'M7.5 9a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM2 17c0-3 2.4-5 5.5-5s5.5 2 5.5 5M13.5 3.5a3 3 0 0 1 0 5.5M15.5 12.5c1.6.8 2.5 2.4 2.5 4.5',
  user: 'M10 9.5a3.2 3.2 0 1 0 0-6.5 3.2 3.2 0 0 0 0 6.5zM3.5 17c0-3.2 2.8-5 6.5-5s6.5 1.8 6.5 5',
  key: 'M7 13a4 4 0 1 1 3.5-6L17.5 7v3h-2v2.5h-3V10h-2A4 4 0 0 1 7 13zM6 9h.01',
  snapshot: 'M10 5.5V3M10 17v-4M10 13a3.7 3.7 0 1 0 0-7.5 3.7 3.7 0 0 0 0 7.5zM13.7 9.3H17M3 9.3h3.3',
  undo: 'M7.5 4 3.5 8l4 4M3.5 8H12a4.5 4.5 0 0 1 0 9H7',
  eye: 'M2.5 10S5 5 10 5s7.5 5 7.5 5-2.5 5-7.5 5-7.5-5-7.5-5zM10 12.2a2.2 2.2 0 1 0 0-4.4 2.2 2.2 0 0 0 0 4.4z',
  play: 'M6 3.5v13l10-6.5z',
  stop: 'M5 5h10v10H5z',
  power: 'M10 3v7M6 5.5a6 6 0 1 0 8 0',
  pause: 'M7 4v12M13 4v12',
  reboot: 'M15.5 6.5A6.5 6.5 0 1 0 16.5 11M16 3v4h-4',
  console: 'M3 4h14v12H3zM6 8l2.5 2L6 12M10.5 12.5H14',
  screen: 'M3 4h14v9H3zM7 16.5h6M10 13v3.5',
  plus: 'M10 4v12M4 10h12',
  minus: 'M4 10h12',
  trash: 'M4 6h12M8 6V3.5h4V6M5.5 6l.7 10.5h7.6L14.5 6M8.5 9v4.5M11.5 9v4.5',
  edit: 'M4 16l.7-3.3L13 4.4l2.6 2.6-8.3 8.3zM11.5 6l2.5 2.5',
  upload: 'M10 13V4M6.5 7 10 3.5 13.5 7M4 13v3.5h12V13',
  download: 'M10 3.5v9M6.5 9.5 10 13l3.5-3.5M4 13v3.5h12V13',
  disc: 'M10 17a7 7 0 1 0 0-14 7 7 0 0 0 0 14zM10 11.5a1.5 1.5 0 1 0 0-3 1.5 1.5 0 0 0 0 3z',
  eject: 'M4.5 11 10 4.5l5.5 6.5zM4.5 15h11',
  disk: 'M4 3.5h12v13H4zM10 11a2.7 2.7 0 1 0 0-5.4A2.7 2.7 0 0 0 10 11zM7 14h2',
  nic: 'M4 5h12v10H4zM7 15v-3.5h6V15M8.5 11.5V9M11.5 11.5V9',
  cpu: 'M6 6h8v8H6zM8 3v3M12 3v3M8 14v3M12 14v3M3 8h3M3 12h3M14 8h3M14 12h3',
  memory: 'M3 6h14v8H3zM6 9v2M9 9v2M12 9v2M15 9v2M5 14v2M10 14v2M15 14v2',
  sun: 'M10 13.5a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7zM10 2v1.5M10 16.5V18M2 10h1.5M16.5 10H18M4.3 4.3l1.1 1.1M14.6 14.6l1.1 1.1M4.3 15.7l1.1-1.1M14.6 5.4l1.1-1.1',
  moon: 'M16 11.8A6.5 6.5 0 0 1 8.2 4 6.5 6.5 0 1 0 16 11.8z',
  auto: 'M10 3a7 7 0 1 0 0 14 7 7 0 0 0 0-14zM10 3v14M10 6.5l5.6-.8M10 10h7M10 13.5l5.6.8',
  close: 'M5 5l10 10M15 5 5 15',
  check: 'M4 10.5 8 14.5 16 5.5',
  alert: 'M10 3.5 17.5 16.5h-15zM10 8v4M10 14.2h.01',
  error: 'M7 3h6l4 4v6l-4 4H7l-4-4V7zM10 6.5v4.5M10 13.6h.01',
  info: 'M10 17a7 7 0 1 0 0-14 7 7 0 0 0 0 14zM10 9.2V14M10 6.4h.01',
  question: 'M10 17a7 7 0 1 0 0-14 7 7 0 0 0 0 14zM8 8a2 2 0 1 1 2.8 1.8c-.5.3-.8.7-.8 1.4M10 13.8h.01',
  down: 'M5.5 8 10 12.5 14.5 8',
  right: 'M8 5.5 12.5 10 8 14.5',
  left: 'M12 5.5 7.5 10l4.5 4.5',
  more: 'M4.5 11.4a1.4 1.4 0 1 0 0-2.8 1.4 1.4 0 0 0 0 2.8zM10 11.4a1.4 1.4 0 1 0 0-2.8 1.4 1.4 0 0 0 0 2.8zM15.5 11.4a1.4 1.4 0 1 0 0-2.8 1.4 1.4 0 0 0 0 2.8z',
  search: 'M8.8 14.2a5.4 5.4 0 1 0 0-10.8 5.4 5.4 0 0 0 0 10.8zM12.8 12.8 17 17',
  leave: 'M8 4H4v12h4M12 6.5 15.5 10 12 13.5M8 10h7.5',
  copy: 'M7 7h9v9H7zM4 13V4h9',
  external: 'M8 5H4v11h11v-4M11 4h5v5M16 4l-7 7',
  camera: 'M3 6.5h3.5L8 4.5h4l1.5 2H17v9H3zM10 13.5a2.7 2.7 0 1 0 0-5.4 2.7 2.7 0 0 0 0 5.4z',
  clock: 'M10 17a7 7 0 1 0 0-14 7 7 0 0 0 0 14zM10 6v4.3l2.8 1.7',
  menu: 'M3.5 6h13M3.5 10h13M3.5 14h13',
  settings: 'M3 6h6M13 6h4M11 4v4M3 14h3M10 14h7M8 12v4M3 10h10M17 10h0M15 8v4',
  keyboard: 'M2.5 5.5h15v9h-15zM5.5 8.5h.01M8.5 8.5h.01M11.5 8.5h.01M14.5 8.5h.01M6 11.5h8',
  expand: 'M4 8V4h4M12 4h4v4M16 12v4h-4M8 16H4v-4',
  // State shapes: filled by the sheet where `data-fill` is set.
  dot: 'M10 15a5 5 0 1 0 0-10 5 5 0 0 0 0 10z',
  ring: 'M10 15a5 5 0 1 0 0-10 5 5 0 0 0 0 10z',
  half: 'M10 4.5a5.5 5.5 0 1 1-5.5 5.5',
} as const;

export type IconName = keyof typeof paths;

const filled: ReadonlySet<IconName> = new Set<IconName>(['dot', 'play', 'stop', 'more']);

/** For the gallery and tests. */
export const iconNames = Object.keys(paths) as IconName[]; // the keys are exactly the union

export interface IconProps {
  name: IconName;
  /** Spoken instead of being hidden; only for an icon that stands alone. */
  label?: string;
  class?: string;
}

export function Icon({ name, label, class: extra }: IconProps) {
  const speech = label ? { role: 'img', 'aria-label': label } : { 'aria-hidden': 'true' };
  return (
    // biome-ignore lint/a11y/noSvgWithoutTitle: hidden from speech, or named by its label
    <svg class={extra ? `icon ${extra}` : 'icon'} viewBox="0 0 20 20" data-fill={filled.has(name) ? '' : undefined} {...speech}>
      <path d={paths[name]} />
    </svg>
  );
}

/**
 * The mark: a stone hut whose window is lit while the page hears from the host and dark when it does not
 * (`html[data-live]`, set by the live script).
 */
export function Mark() {
  return (
    <svg class="mark" viewBox="0 0 32 32" aria-hidden="true">
      <path class="mark-roof" d="M5.5 3.5h3.5V7h14V3.5h3.5V8l4 8h-29l4-8z" />
      <path class="mark-wall" d="M4 17.2h24V28H4z" />
      <path class="mark-door" d="M14 20h4.2v8H14zM21.2 20h4v4h-4z" />
      <path class="mark-window" d="M6.8 20h4.4v4H6.8z" />
      <path class="mark-frame" d="M9 20v4" />
    </svg>
  );
}
