/**
 * Volumes that tell a guest about itself: the same cases on the simulated tool and on mtools, where blkid and
 * mtools' own reader read back what a guest would.
 */
import { readFileSync } from 'node:fs';
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { run } from '../../appliance/core/run.ts';
import { createSeedTool } from '../../appliance/vm/cloud-init/seed-disk.ts';
import { answerFiles } from '../../appliance/vm/cloud-init/windows/answer.ts';
import { noWindows } from '../../appliance/vm/cloud-init/windows/settings.ts';
import type { SeedFiles, SeedTool } from '../../appliance/world.ts';
import { real } from '../real/count.ts';
import { readSimulatedSeed, simulatedSeeds } from '../world/seeds.ts';

interface Parts {
  name: string;
  tool: SeedTool;
  read(path: string): Promise<{ label: string; files: SeedFiles }>;
  count(): void;
}

const { signal } = new AbortController();
const timeoutMs = 10_000;

async function readVolume(path: string): Promise<{ label: string; files: SeedFiles }> {
  assert.ok(readFileSync(path).subarray(446, 510).every((byte) => byte === 0), 'it has no partitions, which would be itself once more');
  const { stdout: label } = await run(['blkid', '-p', '-o', 'value', '-s', 'LABEL', path], { timeoutMs });
  const { stdout: names } = await run(['mdir', '-b', '-i', path, '::'], { timeoutMs });
  const files: SeedFiles = {};
  for (const name of names.split('\n').filter(Boolean)) files[name.replace('::/', '')] = (await run(['mtype', '-i', path, name], { timeoutMs })).stdout;
  return { label: label.trim(), files };
}

function defineCases({ name, tool, read, count }: Parts): void {
  const test = suite(`seeds, ${name}`, { folder: '' });
  test.before.each(async (context) => {
    context.folder = await mkdtemp(join(tmpdir(), 'bothy-seed-'));
  });
  test.after.each(async (context) => {
    await rm(context.folder, { recursive: true });
    count();
  });

  test('what is written can be read back, under its label', async ({ folder }) => {
    const path = join(folder, 'seed.img');
    const files = { 'meta-data': 'instance-id: "1"\n', 'user-data': `#cloud-config\n# ${'ü'.repeat(70_000)}\n`, 'network-config': 'version: 2\n' };
    await tool.write(path, { label: 'cidata', files, signal });
    const { label, files: found } = await read(path);
    assert.is(label, 'CIDATA');
    assert.equal(Object.fromEntries(Object.entries(found).sort()), Object.fromEntries(Object.entries(files).sort()));
    assert.is((await stat(path)).mode & 0o777, 0o600, 'it may hold secrets');
  });

  test('answer files for Windows are read back as the XML that they are', async ({ folder }) => {
    const path = join(folder, 'seed.img');
    const settings = { ...noWindows, user: 'ada', password: 'a "<&>\' 漢', organisation: ']]>&amp;<x/>', timeZone: 'W. Europe Standard Time', language: 'de-DE' };
    const answers = answerFiles({ vmId: 'a1b2', vmName: 'Kasse 1', os: 'windows-10', settings });
    await tool.write(path, { label: 'cidata', files: { 'meta-data': 'x', ...answers }, signal });
    const { files } = await read(path);
    assert.equal(Object.keys(files).sort(), ['Autounattend.xml', 'Unattend.xml', 'meta-data']);
    for (const name of ['Autounattend.xml', 'Unattend.xml']) {
      assert.is(files[name], answers[name]);
      const ask = async (what: string) => (await run(['xmllint', '--nonet', '--xpath', `string(//*[local-name()='settings'][@pass='specialize']/*[@processorArchitecture='amd64']/*[local-name()='${what}'])`, '-'], { timeoutMs, input: files[name] ?? '' })).stdout.trim();
      assert.equal([await ask('ComputerName'), await ask('RegisteredOrganization'), await ask('TimeZone')], ['Kasse-1', settings.organisation, settings.timeZone]);
    }
  });

  test('a new one replaces the old one; a file that is no longer there is gone', async ({ folder }) => {
    const path = join(folder, 'seed.img');
    await tool.write(path, { label: 'cidata', files: { 'user-data': 'old', 'network-config': 'old' }, signal });
    await tool.write(path, { label: 'cidata', files: { 'user-data': 'new' }, signal });
    assert.equal((await read(path)).files, { 'user-data': 'new' });
    assert.equal(await readdir(folder), ['seed.img']);
  });

  test('what does not fit is refused, and the old one stays', async ({ folder }) => {
    const path = join(folder, 'seed.img');
    await tool.write(path, { label: 'cidata', files: { 'user-data': 'old' }, signal });
    let failure = '';
    await tool.write(path, { label: 'cidata', files: { 'user-data': 'x'.repeat(1024 * 1024) }, signal }).catch((error: Error) => { failure = error.name; });
    assert.is(failure, 'ToolError');
    assert.equal((await read(path)).files, { 'user-data': 'old' });
    assert.equal(await readdir(folder), ['seed.img']);
  });

  test.run();
}

defineCases({ name: 'simulated', tool: simulatedSeeds, read: readSimulatedSeed, count: () => {} });
defineCases({ name: 'mtools', tool: createSeedTool(), read: readVolume, count: () => real('mtools') });
