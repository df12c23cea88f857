/**
 * Sentences that were written in English when something happened, in the language of the reader: events, reasons, next steps. They hold names and
 * numbers, so a translation has places: `Version {version} lies at {host}.` What stands in a place may be a sentence itself.
 *
 * A text of several sentences is translated one by one where it is not known as a whole; what is not known stays as it is.
 */
export type Translate = (english: string) => string;

interface Pattern {
  matches: RegExp;
  names: string[];
  translation: string;
}

/** `{name}`: up to the end of its sentence; `{...name}`: whatever follows. */
const place = /\{(\.\.\.)?(\w+)\}/g;

function compile([english, translation]: [string, string]): Pattern {
  const names: string[] = [];
  const source = english.split(/(\{(?:\.\.\.)?\w+\})/).map((part) => {
    const [, isRest, name] = /^\{(\.\.\.)?(\w+)\}$/.exec(part) ?? [];
    if (name === undefined) return part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
    names.push(name);
    return isRest ? '(.*)' : '((?:(?!\\. [A-Z]).)+?)';
  });
  return { matches: new RegExp(`^${source.join('')}$`, 's'), names, translation };
}

export function createTranslate(phrases: Readonly<Record<string, string>>, messages: Readonly<Record<string, string>>): Translate {
  const patterns = Object.entries(messages).map(compile);
  const known = (text: string): string | undefined => {
    const exact = Object.hasOwn(phrases, text) ? phrases[text] : undefined;
    if (exact !== undefined) return exact;
    for (const { matches, names, translation } of patterns) {
      const found = matches.exec(text);
      if (found) return translation.replace(place, (_all, _rest, name: string) => inner(found[names.indexOf(name) + 1] ?? ''));
    }
    return undefined;
  };
  /** A single word is a name, even if it looks like one of ours. */
  const inner = (text: string) => (text.includes(' ') ? translate(text) : text);
  const translate: Translate = (text) => {
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
