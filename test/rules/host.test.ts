/** The host's decisions: which accelerator, what /proc says, and how metrics are written. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { formatMetrics } from '../../appliance/host/metrics.ts';
import { createLoadHistory } from '../../appliance/host/load.ts';
import { osNameIn, parseCounters, parseProcessors, parseRoutes, parseUsedMemory, parseVirtualization } from '../../appliance/host/proc.ts';
import { decideAcceleration, type Virtualization } from '../../appliance/host/rules.ts';

const full: Virtualization = { flag: 'vmx', isKvmLoaded: true, domainTypes: ['qemu', 'kvm'] };
const text = 'Virtualization hardware is unavailable. (No virtualization hardware was detected on this system)';

test('KVM is taken only where CPU, module and libvirt all have it', () => {
  assert.is(decideAcceleration('auto', full).accelerator, 'kvm');
  assert.is(decideAcceleration('auto', full).warning, undefined);
  assert.is(decideAcceleration('auto', { ...full, flag: 'svm', domainTypes: undefined }).accelerator, 'kvm', 'libvirt may not be asked yet');
  const lacks: Partial<Virtualization>[] = [{ flag: '' }, { isKvmLoaded: false }, { domainTypes: ['qemu'] }];
  for (const lack of lacks) {
    const decision = decideAcceleration('auto', { ...full, ...lack });
    assert.is(decision.accelerator, 'tcg', JSON.stringify(lack));
    assert.is(decision.isRefused, false);
    assert.is(decision.warning?.message, text);
  }
});

test('the next step fits what is missing', () => {
  const step = (seen: Partial<Virtualization>) => decideAcceleration('auto', { ...full, ...seen }).warning?.nextStep ?? '';
  assert.match(step({ flag: '', isKvmLoaded: false }), /firmware set-up/);
  assert.match(step({ isKvmLoaded: false }), /modprobe kvm_intel/);
  assert.match(step({ flag: 'svm', isKvmLoaded: false }), /modprobe kvm_amd/);
  assert.match(step({ domainTypes: ['qemu'] }), /\/dev\/kvm/);
});

test('a /dev/kvm that merely opens proves nothing', () => {
  assert.is(decideAcceleration('auto', { flag: '', isKvmLoaded: false, domainTypes: ['qemu', 'kvm'] }).accelerator, 'tcg');
});

test('an operator may ask for either; KVM that cannot be had is refused with what to do', () => {
  assert.equal(decideAcceleration('tcg', full), { accelerator: 'tcg', reason: 'BOTHY_ACCEL asks for software emulation.', isRefused: false });
  assert.is(decideAcceleration('kvm', full).isRefused, false);
  const refused = decideAcceleration('kvm', { ...full, flag: '' });
  assert.is(refused.isRefused, true);
  assert.match(refused.warning?.message ?? '', /^VMs cannot start: BOTHY_ACCEL asks for KVM, but the CPU shows neither/);
  assert.match(refused.warning?.nextStep ?? '', /BOTHY_ACCEL to auto/);
});

test('virtualization is read from the flags alone', () => {
  assert.is(parseVirtualization('processor\t: 0\nflags\t\t: fpu vme svm lm\n\nprocessor\t: 1\nflags\t\t: fpu\n'), 'svm');
  assert.is(parseVirtualization('flags\t\t: fpu vmx\n'), 'vmx');
  assert.is(parseVirtualization('model name\t: svm vmx\nflags\t\t: fpu svm_lock\nvmx flags\t: vnmi\n'), '');
  assert.is(parseVirtualization(''), '');
});

test('load is read from /proc', () => {
  assert.equal(parseProcessors('cpu  100 10 30 500 60 0 5 5 40 0\ncpu0 1 1 1 1 1 1 1 1 1 1\n'), { total: 710, busy: 150 });
  assert.equal(parseUsedMemory('MemTotal:       1000 kB\nMemFree:         10 kB\nMemAvailable:    400 kB\n'), { memoryTotalBytes: 1_024_000, memoryUsedBytes: 614_400 });
  const netDev = 'Inter-|   Receive\n face |bytes packets\n    lo: 7 1 0 0 0 0 0 0 7 1 0 0 0 0 0 0\n  eno1:100 1 0 0 0 0 0 0 50 1 0 0 0 0 0 0\n  eno2: 11 1 0 0 0 0 0 0 5 1 0 0 0 0 0 0\n';
  assert.equal(parseCounters(netDev, new Set(['eno1', 'eno2'])), { receivedBytes: 111, sentBytes: 55 });
  assert.is(osNameIn('NAME="Debian"\nPRETTY_NAME="Debian GNU/Linux 13 (trixie)"\nID=debian\n'), 'Debian GNU/Linux 13 (trixie)');
  assert.is(osNameIn(''), 'Linux');
});

test('routes are read from the table of the kernel, without the default', () => {
  const table = 'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n' +
    'eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\neth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\ntun0\t0000100A\t010200C0\t0003\t0\t0\t0\t0000F0FF\t0\t0\t0\n';
  assert.equal(parseRoutes(table), ['192.0.2.0/24', '10.16.0.0/12']);
  assert.equal(parseRoutes(''), []);
});

test('rates come from counters, never negative, and the past is bounded', () => {
  const history = createLoadHistory();
  const load = (receivedBytes: number) => ({ cpuFraction: 0.5, memoryUsedBytes: 1, memoryTotalBytes: 2, uptimeSeconds: 1, receivedBytes, sentBytes: 0 });
  [1000, 6000, 200].forEach((bytes, index) => { history.add(index * 5_000, load(bytes)); });
  assert.equal(history.since(-1).map((sample) => sample.receivedBytesPerSecond), [0, 1000, 0]);
  for (let at = 3; at < 1_000; at++) history.add(at * 5_000, load(0));
  assert.is(history.since(-1).length, 720);
  assert.is(history.since(998 * 5_000).length, 1);
});

test('metrics are written as Prometheus reads them, labels escaped', () => {
  const metric = { name: 'bothy_x', help: 'a\nb', type: 'gauge' as const, samples: [{ value: 1 }, { labels: { name: 'q"\\\n' }, value: Number.POSITIVE_INFINITY }] };
  assert.is(formatMetrics([metric]), '# HELP bothy_x a\\nb\n# TYPE bothy_x gauge\nbothy_x 1\nbothy_x{name="q\\"\\\\\\n"} +Inf\n');
});

test.run();
