/**
 * Texts of the user interface: typed keys, two languages, no library.
 *
 * `en.ts` is the source of the keys; every other locale must have the same shape. A text may hold `{name}` places,
 * and `one thing|{count} things` where the number decides. Labels that live in schemas (`.meta({ label, help })`)
 * are English phrases; a locale may translate a phrase; an unknown one stays as it is. English has phrases only for
 * words of the API that people would not say (`efi` is UEFI).
 */
import { en, enPhrases } from './locales/en.ts';
import { zhMessages } from './locales/zh-CN-messages.ts';
import { zhProblems } from './locales/zh-CN-problems.ts';
import { zhCN } from './locales/zh-CN.ts';
import { zhPhrases } from './locales/zh-CN-phrases.ts';
import { createTranslate, type Translate } from './sentences.ts';

export type TextKey = keyof typeof en;
export type Texts = Record<TextKey, string>;
export type Locale = 'en' | 'zh-CN';

type Places<S extends string> = S extends `${string}{${infer P}}${infer Rest}` ? P | Places<Rest> : never;

/** The values that the text of a key needs: none, or one for each of its places. */
export type TextValues<K extends TextKey> = [Places<(typeof en)[K]>] extends [never]
  ? []
  : [values: Record<Places<(typeof en)[K]>, string | number>];

export interface Translator {
  locale: Locale;
  t<K extends TextKey>(key: K, ...values: TextValues<K>): string;
  /** Translates an English phrase of a schema or an operation, or sentences of what happened; returns it unchanged if no translation is known. */
  phrase(english: string): string;
}

export const locales: Record<Locale, string> = { en: 'English', 'zh-CN': '简体中文' };

const dictionaries: Record<Locale, { texts: Texts; translate: Translate }> = {
  en: { texts: en, translate: (english) => enPhrases[english] ?? english },
  'zh-CN': { texts: zhCN, translate: createTranslate({ ...enPhrases, ...zhPhrases }, { ...zhMessages, ...zhProblems }) },
};

export function isTextKey(key: string): key is TextKey {
  return Object.hasOwn(en, key);
}

export function isLocale(value: string): value is Locale {
  return Object.hasOwn(locales, value);
}

/** Chooses the locale: the user's own choice, else the first match of an `Accept-Language` header, else English. */
export function chooseLocale(chosen: string | undefined, acceptLanguage: string | undefined): Locale {
  if (chosen && isLocale(chosen)) return chosen;
  for (const tag of (acceptLanguage ?? '').split(',')) {
    const language = tag.split(';')[0]?.trim().toLowerCase() ?? '';
    if (language.startsWith('zh')) return 'zh-CN';
    if (language.startsWith('en')) return 'en';
  }
  return 'en';
}

export function makeTranslator(locale: Locale): Translator {
  const { texts, translate } = dictionaries[locale];
  return {
    locale,
    t: (key, ...values) => fill(texts[key], values[0]),
    phrase: translate,
  };
}

function fill(text: string, values: Record<string, string | number> | undefined): string {
  if (!values) return text;
  const [one = text, many] = text.split('|');
  const chosen = many !== undefined && values['count'] !== 1 ? many : one;
  return chosen.replace(/\{(\w+)\}/g, (place, name: string) => String(values[name] ?? place));
}
