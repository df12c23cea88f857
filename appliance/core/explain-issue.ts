/** What the schema library finds wrong, in words for the people who wrote it. */
import type * as z from 'zod';

const typeNames: Record<string, string> = { string: 'text', number: 'a number', int: 'a whole number', boolean: 'true or false', array: 'a list', object: 'an object', record: 'an object' };

/** As `error` of a `safeParse`; the library's own words for a wrong type or choice are for programmers. */
export function explainIssue(issue: z.core.$ZodRawIssue): string | undefined {
  if (issue.code === 'invalid_value') return `This must be ${issue.values.length > 1 ? 'one of: ' : ''}${issue.values.map(String).join(', ')}.`;
  if (issue.code !== 'invalid_type') return undefined;
  if (issue.input === undefined) return 'This is required.';
  return `This must be ${typeNames[issue.expected] ?? issue.expected}.`;
}
