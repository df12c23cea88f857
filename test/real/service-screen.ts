/** What a guest shows, as colours: a screenshot read and counted. Called by test/real/service-*.test.ts. */
import { PNG } from 'pngjs';

/** Background of memtest86+. */
export const memtestBlue = '#0000a8';
export const textGrey = '#a8a8a8';
/** The link in the first line that iPXE writes. */
export const ipxeCyan = '#00a8a8';

export interface Screen {
  width: number;
  height: number;
  /** Share of the screen by colour, such as `#0000aa`, the most common first. */
  colours: [colour: string, fraction: number][];
  /** Longest horizontal line of a colour, pixels: letters are short, frames and bars are long. */
  longestLine(colour: string): number;
}

/** Throws when the bytes are no PNG. */
export function readScreen(png: Uint8Array): Screen {
  const { width, height, data } = PNG.sync.read(Buffer.from(png));
  const pixels = Array.from({ length: width * height }, (_none, index) => `#${data.toString('hex', 4 * index, 4 * index + 3)}`);
  const counts = new Map<string, number>();
  for (const colour of pixels) counts.set(colour, (counts.get(colour) ?? 0) + 1);
  const colours = [...counts].sort((a, b) => b[1] - a[1]).map(([colour, count]): [string, number] => [colour, count / pixels.length]);
  return { width, height, colours, longestLine: (colour) => longestLine(pixels, width, colour) };
}

function longestLine(pixels: readonly string[], width: number, wanted: string): number {
  let [longest, length] = [0, 0];
  for (const [index, colour] of pixels.entries()) {
    if (index % width === 0 || colour !== wanted) length = 0;
    if (colour === wanted) longest = Math.max(longest, ++length);
  }
  return longest;
}

/** Something is written on it: at least one pixel in a thousand is not the background. */
export const isWrittenOn = ({ colours }: Screen) => (colours[0]?.[1] ?? 1) < 0.999;

export const hasColour = ({ colours }: Screen, wanted: string) => colours.some(([colour]) => colour === wanted);
