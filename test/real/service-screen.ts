/** What a guest shows, as colours: a screenshot read and counted. Called by test/real/service-*.test.ts. */
import { PNG } from 'pngjs';

/** Background of memtest86+. */
export const memtestBlue = '#0000a8';

export interface Screen {
  width: number;
  height: number;
  /** Share of the screen by colour, such as `#0000aa`, the most common first. */
  colours: [colour: string, fraction: number][];
}

/** Throws when the bytes are no PNG. */
export function readScreen(png: Uint8Array): Screen {
  const { width, height, data } = PNG.sync.read(Buffer.from(png));
  const counts = new Map<string, number>();
  for (let at = 0; at < data.length; at += 4) {
    const colour = `#${data.subarray(at, at + 3).toString('hex')}`;
    counts.set(colour, (counts.get(colour) ?? 0) + 1);
  }
  const pixels = width * height;
  const colours = [...counts].sort((a, b) => b[1] - a[1]).map(([colour, count]): [string, number] => [colour, count / pixels]);
  return { width, height, colours };
}

/** Something is written on it: at least one pixel in a thousand is not the background. */
export const isWrittenOn = ({ colours }: Screen) => (colours[0]?.[1] ?? 1) < 0.999;
