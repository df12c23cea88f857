/** `kill -9` of the service at every instant of suspending to disk, going on from it and discarding it: `kill-round.ts` says how. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { KillCase } from './kill-round.ts';
import { checkKills, makeRunning, memoryKinds, MiB, observeVm } from './kill-subjects.ts';
import type { Service, Vm } from './service.ts';

const wish = { disks: [{ sizeBytes: MiB }], nics: [{ network: 'default' }] };

/** Beside what is seen of it: the files that hold its memory. */
async function observe(service: Service, name: string) {
  const { id } = await service.must<Vm>('GET', `/vms/${name}`);
  return { seen: await observeVm(service, name), files: readdirSync(join(service.statePath, 'vms', id)).map((file) => file.replace(/^memory-.*\.save$/, 'memory.save')) };
}

async function makeSuspended(service: Service, name: string): Promise<void> {
  await makeRunning(service, name, wish);
  await service.carryOut('POST', `/vms/${name}/suspend`);
}

const verb = (service: Service, name: string, what: string) => service.must('POST', `/vms/${name}/${what}`);

const cases: KillCase[] = [
  { name: 'suspend', kind: 'vm.suspend', prepare: (service, name) => makeRunning(service, name, wish), begin: (service, name) => verb(service, name, 'suspend'), observe },
  { name: 'wake', kind: 'vm.restore', prepare: makeSuspended, begin: (service, name) => verb(service, name, 'start'), observe },
  { name: 'discard', kind: 'vm.discard-memory', prepare: makeSuspended, begin: (service, name) => verb(service, name, 'discard-memory'), observe },
];

checkKills('tasks of memory', cases, { network: true });

test('no such kind of task was left out', () => assert.equal(cases.map(({ kind }) => kind), memoryKinds));

test.run();
