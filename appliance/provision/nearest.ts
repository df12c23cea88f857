/** The known word that somebody most likely meant. */

/** `undefined` when none is near: a third of the letters may be wrong, at most three. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  const limit = Math.min(3, Math.max(1, Math.floor(word.length / 3)));
  const ranked = known.map((candidate) => ({ candidate, distance: distanceOf(word.toLowerCase(), candidate.toLowerCase()) })).sort((a, b) => a.distance - b.distance);
  const [first] = ranked;
  return first && first.distance <= limit ? first.candidate : plainMatch(word, known);
}

/** `num_vcpus` for `vcpus`, `memory` for `memoryBytes`. */
function plainMatch(word: string, known: readonly string[]): string | undefined {
  const plain = word.toLowerCase().replace(/[^a-z0-9]/g, '');
  if (plain.length < 4) return undefined;
  return known.find((candidate) => candidate.toLowerCase().includes(plain) || (candidate.length >= 4 && plain.includes(candidate.toLowerCase())));
}

/** Letters to change, add, leave out or swap with the next one. */
function distanceOf(left: string, right: string): number {
  if (Math.abs(left.length - right.length) > 3) return 99;
  const rows: number[][] = [Array.from({ length: right.length + 1 }, (_none, index) => index)];
  for (let i = 1; i <= left.length; i++) {
    const row = [i];
    for (let j = 1; j <= right.length; j++) {
      const cell = (a: number, b: number) => rows[a]?.[b] ?? 99;
      const isSame = left[i - 1] === right[j - 1];
      const isSwap = left[i - 1] === right[j - 2] && left[i - 2] === right[j - 1];
      row.push(Math.min(cell(i - 1, j) + 1, (row[j - 1] ?? 99) + 1, cell(i - 1, j - 1) + (isSame ? 0 : 1), isSwap ? cell(i - 2, j - 2) + 1 : 99));
    }
    rows.push(row);
  }
  return rows[left.length]?.[right.length] ?? 99;
}
