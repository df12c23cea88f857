/** Letters for terminals that have few: the kernel's own console has those of the first PCs, a VT100 has ASCII alone. */
import type { Glyphs } from './stage.ts';

const likeness: Record<string, string> = { '…': '.', '‘': "'", '’': "'", '“': '"', '”': '"', '–': '-', '—': '-', '×': 'x', '•': '*', '→': '>', '\u00a0': ' ' };

/** One for one, so that no column moves; of what the terminal cannot show a question mark remains. */
export function spellingFor({ hasBlocks, hasChinese }: Glyphs): (text: string) => string {
  if (hasChinese) return (text) => text;
  const known = hasBlocks ? /[\x20-\x7e\u00a1-\u00ff\u2500-\u25ff]/ : /[\x20-\x7e]/;
  return (text) => [...text].map((letter) => likeness[letter] ?? (known.test(letter) ? letter : '?')).join('');
}
