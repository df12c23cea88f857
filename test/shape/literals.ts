/** The texts in a source: each string and each template, its places as `{}`, with the line on which it begins. Comments and regular expressions are no texts. */
export interface Literal {
  text: string;
  line: string;
}

/** Regular expressions stand where a value begins, divisions where one has ended. */
const beginsRegex = /(?:^|[(,=:[!&|?{};>+]|\breturn|\bcase)$/;

class Scanner {
  readonly found: Literal[] = [];
  private at = 0;
  private readonly code: string;

  constructor(code: string) {
    this.code = code;
  }

  /** To the end, or to the brace that closes a place of a template. */
  scan(isPlace = false): void {
    let depth = 0;
    for (; this.at < this.code.length; this.at++) {
      const sign = this.code[this.at];
      if (this.skipComment()) continue;
      if (sign === "'" || sign === '"') this.string(sign);
      else if (sign === '`') this.template();
      else if (sign === '/' && beginsRegex.test(this.code.slice(Math.max(0, this.at - 12), this.at).trimEnd())) this.regex();
      else if (sign === '{') depth++;
      else if (sign === '}' && isPlace && depth === 0) return;
      else if (sign === '}') depth--;
    }
  }

  private skipComment(): boolean {
    const end = this.code.startsWith('//', this.at) ? '\n' : this.code.startsWith('/*', this.at) ? '*/' : undefined;
    if (end === undefined) return false;
    const found = this.code.indexOf(end, this.at + 2);
    this.at = found < 0 ? this.code.length : found + end.length - 1;
    return true;
  }

  private string(quote: string): void {
    const begin = this.at;
    let text = '';
    for (this.at++; this.code[this.at] !== quote && this.at < this.code.length; this.at++) text += this.sign();
    this.keep(text, begin);
  }

  private template(): void {
    const begin = this.at;
    let text = '';
    for (this.at++; this.code[this.at] !== '`' && this.at < this.code.length; this.at++) {
      if (!this.code.startsWith('${', this.at)) { text += this.sign(); continue; }
      this.at += 2;
      this.scan(true);
      text += '{}';
    }
    this.keep(text, begin);
  }

  private sign(): string {
    if (this.code[this.at] !== '\\') return this.code[this.at] ?? '';
    this.at++;
    return this.code[this.at] === 'n' ? '\n' : this.code[this.at] ?? '';
  }

  private regex(): void {
    let isClass = false;
    for (this.at++; this.at < this.code.length && (isClass || this.code[this.at] !== '/'); this.at++) {
      if (this.code[this.at] === '\\') this.at++;
      else if (this.code[this.at] === '[') isClass = true;
      else if (this.code[this.at] === ']') isClass = false;
    }
  }

  private keep(text: string, begin: number): void {
    const end = this.code.indexOf('\n', begin);
    this.found.push({ text, line: this.code.slice(this.code.lastIndexOf('\n', begin) + 1, end < 0 ? undefined : end) });
  }
}

export function literalsOf(code: string): Literal[] {
  const scanner = new Scanner(code);
  scanner.scan();
  return scanner.found;
}
