/** States of VMs: what libvirt says becomes a state, verbs fit states, and every trouble is explained with a next step. */
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { GiB, MiB } from '../../appliance/core/units.ts';
import type { DomainState } from '../../appliance/world.ts';
import { eventOf, explain } from '../../appliance/vm/explanations.ts';
import { completeHardware, defaultBus, faultsOf, freeIdeUnit, type GuestSystemName, guestSystems, type Machinery, mostIdeDisks, nicNames, plainHardware, plainNic, systemDefaults } from '../../appliance/vm/definition/hardware.ts';
import { type Fact, growthOf, needsAutostart, nextFact, pendingChanges, pendingSettings, refusal, type Seen, shutdownPatienceMs, vmAllows, vmCan, type VmState, vmStates, type VmVerb } from '../../appliance/vm/rules.ts';

const at = 1_000_000;
const fact = (state: VmState, reason = ''): Fact => ({ state, reason, since: at });
const domain = (state: DomainState, reason = 'unknown'): Seen => ({ domain: { state, reason } });
const gone = (ending?: string): Seen => ({ domain: null, ...(ending !== undefined && { ending }) });
const brief = ({ state, reason }: Fact) => `${state}/${reason}`;

const steps: [before: Fact, seen: Seen, after: string][] = [
  [fact('powering-up', 'start'), domain('paused', 'starting-up'), 'powering-up/start'],
  [fact('powering-up', 'start'), domain('running', 'booted'), 'up/running'],
  [fact('powering-up', 'start'), gone('failed'), 'powering-up/start'],
  [fact('up', 'running'), domain('blocked'), 'up/running'],
  [fact('up', 'running'), domain('paused', 'user'), 'paused/user'],
  [fact('up', 'running'), domain('paused', 'paused'), 'paused/user'],
  [fact('up', 'running'), domain('paused', 'io-error'), 'paused/io-error'],
  [fact('up', 'running'), domain('paused', 'migration'), 'paused/user'],
  [fact('up', 'running'), domain('paused', 'snapshot'), 'paused/other'],
  [fact('saved', 'user'), gone(), 'saved/user'],
  [fact('saved', 'user'), domain('running'), 'up/running'],
  [fact('powering-down', 'suspend'), gone(), 'powering-down/suspend'],
  [fact('powering-down', 'suspend'), domain('paused', 'save'), 'powering-down/suspend'],
  [fact('powering-up', 'restore'), domain('paused', 'migration'), 'powering-up/restore'],
  [fact('paused', 'no-space'), domain('paused', 'io-error'), 'paused/no-space'],
  [fact('paused', 'no-space'), domain('running', 'unpaused'), 'up/running'],
  [fact('up', 'running'), domain('shutting-down', 'guest'), 'powering-down/guest'],
  [fact('up', 'running'), gone('shutdown'), 'down/shutdown'],
  [fact('up', 'running'), gone('destroyed'), 'down/destroyed'],
  [fact('up', 'running'), gone('failed'), 'down/failed'],
  [fact('up', 'running'), domain('crashed', 'panicked'), 'up/crash-restarted'],
  [fact('paused', 'user'), domain('crashed', 'panicked'), 'up/crash-restarted'],
  [fact('powering-down', 'power-off'), domain('crashed', 'panicked'), 'powering-down/power-off'],
  [fact('powering-up', 'start'), domain('crashed', 'panicked'), 'powering-up/start'],
  [fact('up', 'crash-restarted'), domain('running', 'crashed'), 'up/crash-restarted'],
  [fact('up', 'running'), domain('running', 'crashed'), 'up/crash-restarted'],
  [fact('up', 'watchdog-reset'), domain('running', 'crashed'), 'up/watchdog-reset'],
  [fact('up', 'crash-restarted'), gone('crashed'), 'down/crashed'],
  [fact('powering-down', 'watchdog'), gone('failed'), 'down/watchdog'],
  [fact('powering-down', 'watchdog'), gone('shutdown'), 'down/watchdog'],
  [fact('powering-down', 'watchdog'), gone(), 'down/watchdog'],
  [fact('powering-down', 'watchdog'), gone('destroyed'), 'down/destroyed'],
  [fact('powering-down', 'watchdog'), domain('running', 'booted'), 'powering-down/watchdog'],
  [fact('up', 'running'), gone(), 'down/lost'],
  [fact('unknown', 'hypervisor-away'), gone('host-restarted'), 'down/host-restarted'],
  [fact('unknown', 'hypervisor-away'), domain('running'), 'up/running'],
  [fact('unknown', 'hypervisor-away'), domain('paused', 'user'), 'paused/user'],
  [fact('powering-down', 'shutdown'), domain('running'), 'powering-down/shutdown'],
  [fact('powering-down', 'guest'), domain('running', 'unpaused'), 'up/running'],
  [fact('powering-down', 'guest'), gone('shutdown'), 'down/shutdown'],
  [fact('powering-down', 'shutdown'), domain('shutting-down', 'guest'), 'powering-down/shutdown'],
  [fact('powering-down', 'shutdown'), gone(), 'down/shutdown'],
  [fact('powering-down', 'power-off'), gone('destroyed'), 'down/power-off'],
  [fact('powering-down', 'power-off'), domain('running'), 'powering-down/power-off'],
  [fact('powering-down', 'power-off'), domain('paused', 'user'), 'powering-down/power-off'],
  [fact('up', 'running'), domain('suspended-by-guest'), 'suspended/guest'],
  [fact('down', 'power-off'), gone(), 'down/power-off'],
  [fact('down', 'power-off'), domain('running'), 'up/running'],
  [fact('down', 'power-off'), domain('shutting-down', 'host'), 'down/power-off'],
  [fact('up', 'running'), domain('shut-off', 'shutdown'), 'down/shutdown'],
  [fact('up', 'running'), domain('shut-off', 'unknown'), 'down/lost'],
];

for (const [before, seen, after] of steps) {
  test(`${brief(before)} seeing ${seen.domain ? `${seen.domain.state}/${seen.domain.reason}` : `none (${seen.ending ?? 'nobody was told'})`} is ${after}`, () => {
    assert.is(brief(nextFact(before, seen, at + 1)), after);
  });
}

test('a guest that ignores the request to shut down is shown as running again after a while', () => {
  const asked = fact('powering-down', 'shutdown');
  assert.is(nextFact(asked, domain('running'), at + shutdownPatienceMs - 1), asked);
  assert.is(brief(nextFact(asked, domain('running'), at + shutdownPatienceMs)), 'up/shutdown-ignored');
});

test('one that its watchdog has asked in vain says so', () => {
  assert.is(brief(nextFact(fact('powering-down', 'watchdog'), domain('running'), at + shutdownPatienceMs)), 'up/watchdog-ignored');
});

const anyFact = fc.record({ state: fc.constantFrom(...vmStates), reason: fc.constantFrom('start', 'running', 'user', 'no-space', 'io-error', 'shutdown', 'power-off', 'new', 'lost'), since: fc.constant(at) });
const anySeen: fc.Arbitrary<Seen> = fc.oneof(
  fc.record({ domain: fc.record({ state: fc.constantFrom<DomainState>('running', 'blocked', 'paused', 'shutting-down', 'suspended-by-guest'), reason: fc.constantFrom('unknown', 'user', 'io-error', 'starting-up', 'shutting-down') }) }),
  fc.record({ domain: fc.constant(null), ending: fc.constantFrom('shutdown', 'destroyed', 'crashed', 'failed', 'lost', 'host-restarted', 'migrated') }),
);

test('seeing the same again changes nothing more', () => {
  fc.assert(fc.property(anyFact, anySeen, (before, seen) => {
    const once = nextFact(before, seen, at + 1);
    assert.is(nextFact(once, seen, at + 1), once);
  }));
});

test('without a domain a VM is down, suspended to disk or on its way up; with one it is neither down nor unknown', () => {
  fc.assert(fc.property(anyFact, anySeen, (before, seen) => {
    const { state } = nextFact(before, seen, at + 1);
    if (seen.domain?.state === 'shutting-down') assert.is.not(state, 'unknown');
    else if (seen.domain) assert.not.ok(state === 'down' || state === 'unknown', state);
    else assert.ok(state === 'down' || state === 'powering-up' || (state === 'saved' && before.state === 'saved'), state);
  }));
});

test('the time of a state is when the state began, not when its reason was found', () => {
  assert.is(nextFact(fact('up', 'running'), domain('paused', 'io-error'), at + 5).since, at + 5);
  assert.is(nextFact(fact('powering-down', 'shutdown'), domain('running'), at + 1).since, at);
});

const verbs = Object.keys(vmAllows) as VmVerb[]; // the keys are exactly the verbs

test('nothing can be done with a VM that is being deleted', () => {
  for (const verb of verbs) for (const state of vmStates) assert.not.ok(vmCan(verb, { state, reason: '', isDeleting: true }), `${verb} ${state}`);
});

test('a VM that is being powered off can be deleted, one that shuts down cannot', () => {
  assert.ok(vmCan('delete', { state: 'powering-down', reason: 'power-off', isDeleting: false }));
  assert.not.ok(vmCan('delete', { state: 'powering-down', reason: 'shutdown', isDeleting: false }));
});

test('every refusal names the VM, its state and a way on', () => {
  for (const verb of verbs) {
    for (const state of vmStates) {
      const words = refusal(verb, 'web-1', { state, reason: '', isDeleting: false });
      assert.match(words, /^web-1 .*\. To .*, wait until it .*\./, `${verb} ${state}`);
    }
  }
  assert.match(refusal('start', 'web-1', { state: 'powering-up', reason: 'start', isDeleting: false }), /web-1 is starting/);
  assert.match(refusal('delete', 'web-1', { state: 'up', reason: 'running', isDeleting: false }), /power it off first/);
});

test('every pause and every unwanted end has cause, effect and next step, and is told as an event', () => {
  const troubles: [VmState, string][] = [
    ['paused', 'no-space'], ['paused', 'io-error'], ['paused', 'watchdog'], ['paused', 'crashed'], ['paused', 'other'],
    ['down', 'crashed'], ['down', 'failed'], ['down', 'lost'], ['down', 'host-restarted'], ['down', 'destroyed'], ['down', 'start-failed'], ['up', 'shutdown-ignored'],
    ['up', 'watchdog-reset'], ['up', 'watchdog-inject-nmi'], ['up', 'watchdog-fired'], ['up', 'watchdog-ignored'], ['down', 'watchdog'], ['up', 'crash-restarted'],
  ];
  for (const [state, reason] of troubles) {
    const explanation = explain({ state, reason });
    assert.ok(explanation, `${state}/${reason}`);
    for (const sentence of [explanation?.cause, explanation?.effect, explanation?.nextStep]) assert.match(sentence ?? '', /^[A-Z].*\.$/, `${state}/${reason}`);
    const event = eventOf('web-1', fact('up', 'running'), fact(state, reason));
    assert.match(event?.message ?? '', /^web-1: /);
    assert.is.not(event?.severity, 'info');
    assert.match(event?.nextStep ?? '', /\.$/);
  }
});

test('what was wished for is told quietly, what did not change not at all', () => {
  assert.is(eventOf('web-1', fact('powering-up', 'start'), fact('up', 'running'))?.code, 'vm.started');
  assert.is(eventOf('web-1', fact('paused', 'no-space'), fact('up', 'running'))?.code, 'vm.resumed');
  assert.is(eventOf('web-1', fact('powering-down', 'shutdown'), fact('down', 'shutdown'))?.severity, 'info');
  assert.is(eventOf('web-1', fact('down', 'new'), fact('up', 'running'))?.code, 'vm.adopted');
  assert.is(eventOf('web-1', fact('up', 'running'), fact('up', 'running')), undefined);
});

test('starts with the host, but not against the will of who stopped it since', () => {
  const down = (reason: string, since: number): Fact => ({ state: 'down', reason, since });
  assert.ok(needsAutostart(down('power-off', 5), 10), 'the host started after it was stopped');
  assert.not.ok(needsAutostart(down('power-off', 15), 10), 'someone stopped it since');
  assert.ok(needsAutostart(down('lost', 15), 10), 'nobody wanted it down');
  assert.ok(needsAutostart(down('host-restarted', 15), 10));
  assert.ok(needsAutostart(down('start-failed', 15), 10), 'a start that a power cut met, and that failed before the first look');
  assert.not.ok(needsAutostart(down('watchdog', 15), 10), 'its settings say that it is to be off then');
  assert.not.ok(needsAutostart(fact('up', 'running'), at + 1));
});

test('a changed setting waits for the next start only while the VM runs', () => {
  const wished = { name: 'web', vcpus: 2, memoryBytes: 1, firmware: 'bios', bootOrder: ['disk', 'cdrom'], hardware: plainHardware };
  assert.equal(pendingChanges(wished, null), []);
  assert.equal(pendingChanges(wished, structuredClone(wished)), []);
  assert.equal(pendingChanges(wished, { ...wished, name: 'old', vcpus: 1, bootOrder: ['disk'] }), ['name', 'vcpus', 'bootOrder']);
  assert.equal(pendingChanges(wished, { ...wished, hardware: { ...plainHardware, video: 'qxl', channels: ['a'] } }), ['video', 'channels']);
  assert.equal(pendingChanges(wished, { ...wished, hardware: { ...plainHardware, guaranteedBytes: 64 * MiB } }), [], 'holds at once');
  assert.equal(pendingSettings(nicNames, plainNic, { ...plainNic, model: 'e1000' }), ['model']);
  assert.equal(pendingSettings(nicNames, plainNic, undefined), []);
});

// ------------------------------------------------------------------------------------------------ hardware

test('a guest system brings what it has drivers for; what is chosen goes first', () => {
  assert.equal(completeHardware({}), plainHardware);
  assert.equal(completeHardware({ os: 'linux' }), { ...plainHardware, os: 'linux' });
  const old = completeHardware({ os: 'windows-xp', sound: 'es1370' });
  assert.equal([old.machine, old.clock, old.sound, defaultBus(old), systemDefaults('windows-xp').nic], ['pc', 'localtime', 'es1370', 'ide', 'rtl8139']);
  assert.is(defaultBus({ os: 'windows-xp', machine: 'q35' }), 'sata', 'where there is no IDE');
});

test('a new size holds at once as far as the guest was started with room for it', () => {
  const runs = { vcpus: 2, memoryBytes: GiB, hardware: { maxVcpus: 4, maxMemoryBytes: 2 * GiB } };
  const grown = (vcpus: number, memoryBytes: number) => growthOf({ vcpus, memoryBytes }, runs);
  assert.equal([grown(2, GiB), grown(4, GiB), grown(1, GiB), grown(5, GiB)], [{}, { vcpus: 4 }, {}, {}]);
  assert.equal([grown(2, 2 * GiB), grown(2, GiB + 128 * MiB), grown(2, GiB + 64 * MiB), grown(2, 3 * GiB), grown(2, 512 * MiB)], [{ addBytes: GiB }, { addBytes: 128 * MiB }, {}, {}, {}]);
  assert.equal(growthOf({ vcpus: 1, memoryBytes: 2 * GiB }, { ...runs, hardware: plainHardware }), {}, 'without a most there is no room');
});

test('every guest system can start with what it brings', () => {
  for (const os of Object.keys(guestSystems) as GuestSystemName[]) {
    const hardware = completeHardware({ os });
    assert.equal(faultsOf({ ...hardware, vcpus: 1, memoryBytes: GiB, firmware: systemDefaults(os).firmware, buses: [defaultBus(hardware)] }), [], os);
  }
});

test('what does not fit together is told at the field that is to change', () => {
  const fields = (changes: Partial<Machinery>) => faultsOf({ ...plainHardware, vcpus: 4, memoryBytes: GiB, firmware: 'bios', buses: ['virtio'], ...changes }).map(({ path }) => path);
  assert.equal(fields({}), []);
  assert.equal([fields({ sockets: 3 }), fields({ sockets: 2, threads: 2 }), fields({ sockets: 4, threads: 2 })], [['sockets'], [], ['sockets']]);
  assert.equal([fields({ buses: ['ide'] }), fields({ machine: 'pc', buses: ['ide', 'ide', 'ide', 'sata'] })], [['machine'], []]);
  assert.equal(fields({ machine: 'pc', buses: ['ide', 'ide', 'ide', 'ide'] }), ['disks'], 'with the CD-ROM drive there are four at most');
  assert.equal([fields({ maxVcpus: 3 }), fields({ maxVcpus: 8, sockets: 8 }), fields({ maxVcpus: 6, sockets: 4 })], [['maxVcpus'], [], ['sockets']], 'the most processors are spread');
  assert.equal([fields({ maxMemoryBytes: 512 * MiB }), fields({ maxMemoryBytes: GiB }), fields({ guaranteedBytes: 2 * GiB }), fields({ guaranteedBytes: 64 * MiB })], [['maxMemoryBytes'], [], ['guaranteedBytes'], []]);
  assert.equal([fields({ machine: 'pc', firmware: 'efi' }), fields({ machine: 'pc', firmware: 'efi-secure' })], [[], ['firmware']]);
});

test('IDE disks leave the place of the CD-ROM drive free', () => {
  const units: number[] = [];
  for (let count = 0; count < mostIdeDisks; count++) units.push(freeIdeUnit(units));
  assert.equal(units, [0, 1, 3]);
});

test.run();
