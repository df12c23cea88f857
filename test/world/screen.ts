/** What a simulated guest shows: a text screen of 720 x 400, as firmware draws it, with lines whose pattern follows from the guest's name. */
import { createHash } from 'node:crypto';
import { PNG } from 'pngjs';
import type { SimulatedDomain } from './guest.ts';

const [width, height, lineHeight, letterWidth] = [720, 400, 16, 9];
type Colour = [number, number, number];
const [paper, ink, dimmed]: [Colour, Colour, Colour] = [[12, 14, 18], [170, 174, 180], [70, 74, 80]];

export function drawScreen({ name, state, keys }: SimulatedDomain): Uint8Array {
  const image = new PNG({ width, height });
  fill(image, { x: 0, y: 0, width, height }, paper);
  const pattern = createHash('sha256').update(name).digest();
  const lines = state === 'running' ? 14 : 6;
  for (let line = 0; line < lines; line++) {
    for (let word = 0, x = letterWidth; word < 6; word++) {
      const letters = 2 + ((pattern[(line * 6 + word) % 32] ?? 0) % 9);
      fill(image, { x, y: 8 + line * lineHeight, width: letters * letterWidth - 3, height: 9 }, state === 'running' ? ink : dimmed);
      x += (letters + 1) * letterWidth;
    }
  }
  for (let sign = 0; sign < keys.length % 70; sign++) fill(image, { x: letterWidth * (1 + sign), y: 8 + 20 * lineHeight, width: letterWidth - 3, height: 9 }, ink);
  return PNG.sync.write(image);
}

function fill(image: PNG, box: { x: number; y: number; width: number; height: number }, [red, green, blue]: Colour): void {
  for (let y = box.y; y < box.y + box.height; y++) {
    for (let x = box.x; x < box.x + box.width; x++) image.data.set([red, green, blue, 255], (y * width + x) * 4);
  }
}
