/** What may be fetched from: private networks and the internet, never the appliance itself, however its address is dressed. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { addressFault } from '../../appliance/core/address.ts';

const own = ['192.168.10.5', '2001:db8::5'];

test('servers of the site and of the internet may be asked', () => {
  for (const address of ['192.168.10.6', '10.0.0.1', '172.16.3.4', '9.9.9.9', '2001:db8::6', 'fd00::1', '::ffff:192.168.10.6']) assert.is(addressFault(address, own), undefined, address);
});

test('loopback, link-local, multicast and reserved addresses may not', () => {
  for (const address of ['127.0.0.1', '127.8.8.8', '0.0.0.0', '169.254.169.254', '224.0.0.1', '255.255.255.255', '::', '::1', 'fe80::1', 'fe80::1%eno1', 'ff02::1', 'fec0::1']) assert.ok(addressFault(address, own), address);
});

test('nor its own addresses, also in disguise', () => {
  for (const address of ['192.168.10.5', '2001:db8::5', '::ffff:192.168.10.5', '::ffff:127.0.0.1', '::ffff:7f00:1', '64:ff9b::7f00:1', '64:ff9b::127.0.0.1']) assert.ok(addressFault(address, own), address);
});

test('what is no address is refused', () => {
  for (const address of ['', 'localhost', '1.2.3', '1.2.3.4.5', '::g']) assert.match(addressFault(address, own) ?? '', /is not an address/, address);
});

test.run();
