/** The log: one line of JSON whatever it is given, errors spelt out, and never a fault of its own. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { createLog } from '../../appliance/core/log.ts';

function lines(): { written: Record<string, unknown>[]; log: ReturnType<typeof createLog> } {
  const written: Record<string, unknown>[] = [];
  return { written, log: createLog((line) => { assert.not.match(line, /\n/); written.push(JSON.parse(line)); }) };
}

test('an error stands there with message, cause and stack', () => {
  const { written, log } = lines();
  log.error('broken', { error: new Error('outer', { cause: new Error('inner') }) });
  const { error } = written[0] as { error: { message: string; cause: { message: string }; stack: string } };
  assert.is(error.message, 'outer');
  assert.is(error.cause.message, 'inner');
  assert.match(error.stack, /outer/);
});

test('what has no JSON does not make the log throw', () => {
  const { written, log } = lines();
  const circle: Record<string, unknown> = {};
  circle['self'] = circle;
  log.warn('round', { circle });
  log.info('big', { size: 2n ** 70n });
  assert.equal(written.map(({ message }) => message), ['round', 'big']);
});

test('less than the least level is not written', () => {
  const written: string[] = [];
  const log = createLog((line) => written.push(line), 'warn');
  log.info('quiet');
  log.warn('loud');
  assert.is(written.length, 1);
});

test.run();
