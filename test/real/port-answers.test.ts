/** Whether a network answers behind a port, asked of the kernel itself: a rack host with a cable to another network stack. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { checkout, openRackHost, type RackHost } from './rack-host.ts';

const program = (settings: object) => `
  const { createPortFiles } = await import(${JSON.stringify(`${checkout}/build/appliance/network/port-files.js`)});
  const ports = createPortFiles({ isManaged: false });
  const settings = ${JSON.stringify(settings)};
  const until = Date.now() + 3_000;
  let isAnswering = false;
  while (!isAnswering && Date.now() < until) isAnswering = await ports.answers('lan', settings);
  console.log(isAnswering);`;

const answers = async (host: RackHost, settings: object) => (await host.run(['node', '--input-type=module', '-e', program(settings)])).stdout.trim() === 'true';
const fixed = (gateway: string | null) => ({ method: 'static', address: '10.77.0.2/24', gateway, dns: [] });

test('a gateway that answers is told from one that does not, a cable from none, an address that came from none', async () => {
  const host = await openRackHost({ daemons: [] });
  const sh = async (command: string) => assert.is((await host.run(['sh', '-ec', command])).code, 0, command);
  try {
    await sh('ip netns add beyond; ip link add lan type veth peer name far netns beyond; ip link set lan up');
    assert.equal([await answers(host, fixed(null)), await answers(host, { method: 'dhcp', address: null, gateway: null, dns: [] })], [false, false]);
    await sh('ip -n beyond address add 10.77.0.1/24 dev far; ip -n beyond -6 address add fe80::1/64 dev far nodad; ip -n beyond link set far up; ip address add 10.77.0.2/24 dev lan');
    assert.is(await answers(host, fixed(null)), true, 'the cable');
    assert.is(await answers(host, { method: 'dhcp', address: null, gateway: null, dns: [] }), true, 'an address');
    assert.is(await answers(host, fixed('10.77.0.1')), true, 'the gateway');
    assert.is(await answers(host, fixed('10.77.0.9')), false, 'nobody there');
    assert.is(await answers(host, { ...fixed('fe80::1'), address: '2001:db8::2/64' }), true, 'a gateway by its link-local address');
    await sh('ip -n beyond link set far down; ip neighbour flush dev lan');
    assert.is(await answers(host, fixed('10.77.0.1')), false, 'the cable is out');
  } finally {
    await host.close();
  }
});

test.run();
