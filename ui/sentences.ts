/**
 * Sentences that were written in English when something happened, in the language of the reader: events, reasons, next steps. They hold names and
 * numbers, so a translation has places: `Version {version} lies at {host}.` What stands in a place may be a sentence itself. Refusals and wrong fields are told so, too.
 *
 * Of several that fit, the one that says most itself holds. A text of several sentences is translated one by one where it is not known as a whole; what is not known stays as it is.
 */
export type Translate = (english: string) => string;

interface Pattern {
  matches: RegExp;
  names: string[];
  /** Those of them that hold words of ours. */
  words: Set<string>;
  translation: string;
}

/** A page of a thousand rows asks for few texts, each many times. */
const mostRemembered = 2000;

/** `{name}`: up to the end of its sentence; `{...name}`: whatever follows; `{=name}`: a word of ours, where the others take a single word for a name. */
const place = /\{(\.\.\.|=)?(\w+)\}/g;

function compile([english, translation]: [string, string]): Pattern {
  const names: string[] = [];
  const words = new Set<string>();
  const source = english.split(/(\{(?:\.\.\.|=)?\w+\})/).map((part) => {
    const [, kind, name] = /^\{(\.\.\.|=)?(\w+)\}$/.exec(part) ?? [];
    if (name === undefined) return part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
    names.push(name);
    if (kind === '=') words.add(name);
    return kind === '...' ? '(.*)' : '((?:(?!\\. [A-Z]).)+?)';
  });
  return { matches: new RegExp(`^${source.join('')}$`, 's'), names, words, translation };
}

export function createTranslate(phrases: Readonly<Record<string, string>>, messages: Readonly<Record<string, string>>): Translate {
  const ownLetters = (english: string) => english.replace(place, '').length;
  const patterns = Object.entries(messages).sort(([one], [other]) => ownLetters(other) - ownLetters(one)).map(compile);
  const known = (text: string): string | undefined => {
    const exact = Object.hasOwn(phrases, text) ? phrases[text] : undefined;
    if (exact !== undefined) return exact;
    for (const { matches, names, words, translation } of patterns) {
      const found = matches.exec(text);
      if (found) return translation.replace(place, (_all, _kind, name: string) => inner(found[names.indexOf(name) + 1] ?? '', words.has(name)));
    }
    return undefined;
  };
  /** A single word is a name, even if it looks like one of ours. */
  const inner = (text: string, isWord: boolean) => (isWord || text.includes(' ') ? translate(text) : text);
  const remembered = new Map<string, string>();
  const translate: Translate = (text) => {
    const before = remembered.get(text);
    if (before !== undefined) return before;
    if (remembered.size >= mostRemembered) remembered.clear();
    const told = found(text);
    remembered.set(text, told);
    return told;
  };
  const found: Translate = (text) => {
    const whole = known(text);
    if (whole !== undefined) return whole;
    const sentences = text.split(/(?<=\.) (?=[A-Z"])/);
    if (sentences.length > 1) {
      const told = sentences.map(translate);
      return told.some((sentence, index) => sentence !== sentences[index]) ? told.map((sentence) => (/[.!?]$/.test(sentence) ? `${sentence} ` : sentence)).join('').trim() : text;
    }
    // `till-server: It could not be started.`
    const [, head, rest] = /^([^:]+): (.+)$/s.exec(text) ?? [];
    const told = rest === undefined ? undefined : known(rest);
    return told === undefined ? text : `${head}：${told}`;
  };
  return translate;
}
