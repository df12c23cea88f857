/** The shim's JSON writer, compiled by itself: whatever bytes libvirt or a guest supply, Node reads valid JSON. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { runProcess } from '../process.ts';
import { checkout } from './rack-host.ts';

interface Context {
  folder: string;
  /** What C writes for each text, as a JSON string and as base64; iconv refuses it unless all is valid UTF-8. */
  write(texts: readonly Buffer[]): Promise<[string, string][]>;
}

const test = suite<Context>('JSON from C');

/** Reads records that end with a NUL, as C strings do. */
const program = `
#include <stdio.h>
#include <string.h>
#include "json.h"
int main(void) {
  static char record[1 << 16];
  for (size_t length = 0; ;) {
    int byte = getchar();
    if (byte == EOF) return 0;
    record[length++] = (char)byte;
    if (byte != 0) continue;
    struct json json = { 0 };
    json_raw(&json, "[");
    json_string(&json, record);
    json_raw(&json, ",");
    json_base64(&json, (const uint8_t *)record, length - 1);
    json_raw(&json, "]");
    if (json.is_broken) return 1;
    puts(json.text);
    json_free(&json);
    length = 0;
  }
}`;

test.before(async (context) => {
  context.folder = mkdtempSync(join(tmpdir(), 'bothy-json-'));
  const binary = join(context.folder, 'json');
  writeFileSync(`${binary}.c`, program);
  const flags = ['-std=gnu11', '-Wall', '-Wextra', '-Werror', '-fsanitize=address,undefined', '-fno-sanitize-recover'];
  const built = await runProcess(['cc', ...flags, `-I${checkout}/native`, '-o', binary, `${binary}.c`, `${checkout}/native/json.c`]);
  assert.is(built.code, 0, built.stderr);
  context.write = async (texts) => {
    const input = join(context.folder, 'input');
    writeFileSync(input, Buffer.concat(texts.flatMap((text) => [text, Buffer.alloc(1)])));
    const { code, stdout, stderr } = await runProcess(['bash', '-o', 'pipefail', '-c', '"$0" <"$1" | iconv -f UTF-8 -t UTF-8', binary, input]);
    assert.is(code, 0, stderr);
    return stdout.trimEnd().split('\n').map((line) => JSON.parse(line));
  };
});
test.after(({ folder }) => rmSync(folder, { recursive: true }));

test('valid text arrives as it is', async ({ write }) => {
  const texts = fc.sample(fc.string({ unit: 'binary', maxLength: 60 }), 2000).map((text) => text.replaceAll('\0', ''));
  const known = ['', '"\\/\b\n\r\t\x7f', 'ä €  💾', '\u{10ffff}\ud7ff\ue000'];
  const all = [...known, ...texts].map((text) => Buffer.from(text));
  const written = await write(all);
  assert.equal(written.map(([text]) => text), all.map(String));
  assert.equal(written.map(([, base64]) => base64), all.map((text) => text.toString('base64')));
});

test('invalid bytes are replaced, and nothing after them is lost', async ({ write }) => {
  const known = [[0xff], [0xc3], [0xe2, 0x82], [0xf0, 0x9f, 0x92], [0xc0, 0x80], [0xe0, 0x9f, 0xbf], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xf8]];
  const random = fc.sample(fc.uint8Array({ min: 1, maxLength: 12 }), 2000).map((bytes) => [...bytes]);
  const texts = [...known, ...random].map((bytes) => Buffer.from([...bytes, ...Buffer.from('|end')]));
  const written = await write(texts);
  for (const [i, [text]] of written.entries()) assert.ok(text.endsWith('|end'), `${texts[i]?.toString('hex')} became ${text}`);
  for (const i of known.keys()) assert.match(written[i]?.[0] ?? '', /^\ufffd+\|end$/);
});

test.run();
