/** The harness finds what it is for: a step that cannot run twice, an undo that forgets, an undo that cannot run twice. */
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import * as z from 'zod';
import { type AnyTask, defineTask, type Step } from '../../appliance/core/task.ts';
import { checkTask, type Life, type TaskCase } from './harness.ts';

type Context = { file: string };
const fileOf = ({ core }: Life) => join(core.statePath, 'made');

/** The failures that the harness finds in a task with this step. */
async function faultsOf(step: (file: string) => Pick<Step<Context, never>, 'do' | 'undo'>): Promise<string[]> {
  const define = (life: Life): AnyTask => defineTask<Context, never>({
    kind: 'file.make', input: z.object({ file: z.string() }), canCancel: true, locks: () => [],
    steps: [{ name: 'Make the file', ...step(fileOf(life)) }, { name: 'Nothing more', do: async () => {} }],
  });
  const task: TaskCase<Life> = {
    name: 'file.make',
    open(life) {
      life.core.tasks.define([define(life)]);
      return life;
    },
    begin: (life) => life.core.database.write({ actor: 'test', operation: 'test' }, (tx) => life.core.tasks.start(tx, 'file.make', { file: 'made' }, [])),
    observe: (life) => existsSync(fileOf(life)),
  };
  const faults: string[] = [];
  const checks: Promise<void>[] = [];
  checkTask((name, run) => { checks.push(run().catch((error: Error) => { faults.push(`${name}: ${error.message}`); })); }, task);
  await Promise.all(checks);
  return faults;
}

const make = (file: string) => async () => writeFileSync(file, '');
const remove = (file: string) => async () => rmSync(file, { force: true });

test('a task that can be cut and undone anywhere passes', async () => {
  assert.equal(await faultsOf((file) => ({ do: make(file), undo: remove(file) })), []);
});

test('a step that cannot run twice is found', async () => {
  const faults = await faultsOf((file) => ({ do: async () => writeFileSync(file, '', { flag: 'wx' }), undo: remove(file) }));
  assert.match(faults.join('\n'), /file\.make cut done "Make the file"/);
});

test('an undo that is forgotten is found', async () => {
  const faults = await faultsOf((file) => ({ do: make(file) }));
  assert.match(faults.join('\n'), /file\.make failing done "Make the file"/);
});

test('an undo that relies on the end of its step is found', async () => {
  const faults = await faultsOf((file) => ({
    async do({ memory }) {
      writeFileSync(file, '');
      return { ...(memory as object), isMade: true } as never; // this task keeps no typed memory
    },
    async undo({ memory }) {
      if ('isMade' in memory) rmSync(file, { force: true });
    },
  }));
  assert.match(faults.join('\n'), /file\.make failing done "Make the file"/);
});

test.run();
