/** `bothy site` where no service runs: check a file with every mistake at its place, hash a password, seal a secret for one machine. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { checkPassword } from '../../appliance/auth/password.ts';
import { rootPath } from '../../appliance/paths.ts';
import { newSealingKey, publicKeyOf, unseal } from '../../appliance/provision/sealed.ts';
import { makePair } from '../world/certificate.ts';

function bothy(args: string[], input = ''): { code: number | null; out: string; fault: string } {
  const { status, stdout, stderr } = spawnSync(join(rootPath, 'image/bothy'), ['site', ...args], { input, encoding: 'utf8', env: { PATH: process.env['PATH'], BOTHY_STATE: '/nonexistent' } });
  return { code: status, out: stdout, fault: stderr };
}

test('a right file is told to be right, a wrong one with every mistake at its line', () => {
  assert.equal(bothy(['check', join(rootPath, 'image/site.example.yaml')]).code, 0);
  const { code, fault } = bothy(['check', '-'], 'bothy: 1\nvms:\n  - name: web\n    frimware: efi\n    vcpus: two\n');
  assert.is(code, 1);
  assert.match(fault, /^-:4:5: vms\.0\.frimware: There is no "frimware" here\. Is "firmware" meant\?$/m);
  assert.match(fault, /^-:5:12: vms\.0\.vcpus: This must be a number\.$/m);
});

test('no file, none that can be read, none in UTF-8: said in words', () => {
  for (const [args, words] of [[['check'], /Name one site file/], [['check', '/nonexistent.yaml'], /cannot be read/], [['frobnicate'], /no command "frobnicate"/]] as const) {
    const { code, fault } = bothy([...args]);
    assert.is(code, 1);
    assert.match(fault, words);
  }
});

test('a password is hashed only if it is good enough, and never printed', async () => {
  const { code, out } = bothy(['hash-password'], 'four unrelated words\n');
  assert.is(code, 0);
  assert.ok(await checkPassword('four unrelated words', out.trim()));
  const weak = bothy(['hash-password'], 'short\n');
  assert.is(weak.code, 1);
  assert.match(weak.fault, /12 characters/);
  assert.not.match(weak.fault, /short/);
});

test('a secret of one line or of many is sealed so that only that machine opens it', () => {
  const machine = newSealingKey();
  for (const secret of ['four unrelated words', makePair('shop').key.trim()]) {
    const { code, out } = bothy(['seal', '--key', publicKeyOf(machine)], `${secret}\n`);
    assert.is(code, 0);
    assert.is(unseal(machine, out.trim()), secret);
    assert.is(unseal(newSealingKey(), out.trim()), undefined);
  }
  const wrong = bothy(['seal', '--key', 'nonsense'], 'secret\n');
  assert.is(wrong.code, 1);
  assert.match(wrong.fault, /not the sealing key of a machine/);
  assert.match(bothy(['seal'], 'secret\n').fault, /--key KEY/);
});

test.run();
