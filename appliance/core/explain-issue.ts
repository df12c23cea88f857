/** What the schema library finds wrong, in words for the people who wrote it. */
import type * as z from 'zod';

const typeNames: Record<string, string> = { string: 'text', number: 'a number', int: 'a whole number', boolean: 'true or false', array: 'a list', object: 'an object', record: 'an object' };

/** As `error` of a `safeParse`; the library's own words are for programmers. A schema's own words go before these. */
export function explainIssue(issue: z.core.$ZodRawIssue): string | undefined {
  switch (issue.code) {
    case 'invalid_value': return `This must be ${issue.values.length > 1 ? 'one of: ' : ''}${issue.values.map(String).join(', ')}.`;
    case 'invalid_type': return issue.input === undefined ? 'This is required.' : `This must be ${typeNames[issue.expected] ?? issue.expected}.`;
    case 'too_small': return limitText(issue, issue.minimum, { number: issue.inclusive === false ? 'more than' : 'at least', count: 'at least' });
    case 'too_big': return limitText(issue, issue.maximum, { number: issue.inclusive === false ? 'less than' : 'at most', count: 'at most' });
    case 'not_multiple_of': return `This must be a multiple of ${issue.divisor}.`;
    case 'invalid_format': return issue.format === 'regex' ? 'This is not written as it must be.' : `This is not written as it must be: ${issue.format}.`;
    case 'invalid_union': return 'This does not fit any of the forms that are known.';
    default: return undefined;
  }
}

function limitText({ origin }: { origin: string }, limit: number | bigint, words: { number: string; count: string }): string {
  if (origin === 'string') return `Write ${words.count} ${limit} characters.`;
  return origin === 'array' || origin === 'set' ? `Give ${words.count} ${limit}.` : `This must be ${words.number} ${limit}.`;
}
