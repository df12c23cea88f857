/** The power of the World: the same cases on the simulated and the real one; the real one asks a program that only writes down what it was asked. */
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createPower } from '../../appliance/host/power.ts';
import type { Power } from '../../appliance/world.ts';
import { createSimulatedPower } from '../world/power.ts';

interface Subject {
  power: Power;
  asked(): string[];
  refuse(message: string): void;
  goDown(): void;
}

function defineCases(name: string, make: () => Subject): void {
  const test = suite<{ subject: Subject }>(`power, ${name}`);
  test.before.each((context) => { context.subject = make(); });

  test('tells the boot, the same each time', async ({ subject: { power } }) => {
    assert.match(await power.bootId(), /^[0-9a-f-]{36}$/);
    assert.is(await power.bootId(), await power.bootId());
  });

  test('asks the system once for each wish', async ({ subject: { power, asked } }) => {
    await power.powerOff();
    await power.reboot();
    assert.equal(asked(), ['poweroff', 'reboot']);
  });

  test('rejects with what the system says', async ({ subject: { power, refuse, asked } }) => {
    refuse('Operation inhibited by "Upgrade"');
    for (const verb of [power.powerOff, power.reboot]) {
      try {
        await verb();
        assert.unreachable('it was accepted');
      } catch (error) {
        assert.match(String(error), /Operation inhibited by "Upgrade"/);
      }
    }
    assert.equal(asked(), []);
  });

  test('tells a system that goes down from one that stays', async ({ subject: { power, goDown } }) => {
    assert.is(await power.isGoingDown(), false);
    goDown();
    assert.is(await power.isGoingDown(), true);
  });

  test.run();
}

defineCases('simulated', () => {
  const power = createSimulatedPower(() => {});
  return { power, asked: () => power.asked, refuse: (message) => power.refuse(new Error(message)), goDown: power.goDown };
});

const folder = mkdtempSync(join(tmpdir(), 'bothy-power-'));
process.on('exit', () => rmSync(folder, { recursive: true }));
let made = 0;

defineCases('real', () => {
  const program = join(folder, `systemctl-${made++}`);
  const write = (lines: string[]) => {
    writeFileSync(program, ['#!/bin/sh', ...lines, ''].join('\n'));
    chmodSync(program, 0o755);
  };
  const list = `${program}.asked`;
  writeFileSync(list, '');
  // The verb is the last word; everything before it must be an option.
  write(['case $1 in is-system-running) echo degraded; exit 1;; esac', `for word; do case $word in --*) ;; *) echo "$word" >> '${list}';; esac; done`]);
  return {
    power: createPower({ systemctl: program }), asked: () => readFileSync(list, 'utf8').split('\n').filter(Boolean),
    refuse: (message) => write([`echo '${message}' >&2`, 'exit 1']),
    // As systemd does: a word, and an error for every word but one.
    goDown: () => write(['echo stopping', 'exit 1']),
  };
});
