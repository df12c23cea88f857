/**
 * A box that people have set up by hand is exported with its secrets; a new box that gets this file on a stick gives the same answers, to
 * every GET of the API. What is left out of the comparison stands below and in test/api-answers.ts, with the reason.
 *
 * Not exported by design, and so not compared: what is written on disks, the keys and history of a machine.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { readFileSync } from 'node:fs';
import { apiAnswers, differences, ownToEach } from '../api-answers.ts';
import { bootIso } from '../real/guest/boot-guest.ts';
import { real } from '../real/count.ts';
import { adminPassword, type Box, withReadyBox } from './box.ts';
import { siteState, slowly } from './site-file.ts';
import { makeStick } from './stick.ts';

const test = suite('site export');

const leftOut = {
  ...ownToEach,
  '/hosts/{host}/certificate': 'each has made its own',
  '/hosts/{host}/status: fingerprint': 'of that certificate',
  '/hosts: items[].nics[].mac': 'libvirt draws those of its bridges', '/hosts/{host}: nics[].mac': 'libvirt draws those of its bridges',
  '/hosts/{host}/network: ports[].mac': 'libvirt draws those of its bridges', '/hosts/{host}/status: ports[].mac': 'libvirt draws those of its bridges',
};

const answersOf = (box: Box) => apiAnswers((path) => box.api('GET', path), leftOut);

let exported = '';
let wanted: Record<string, unknown> = {};

const inBox = (work: (box: Box) => Promise<void>) => withReadyBox({ isPatient: true }, work);

/** As people do over the months. */
async function furnish(box: Box): Promise<void> {
  await box.setUp();
  await box.must('PATCH', '/hosts/this/settings', { hostname: 'shop-8', timeZone: 'Asia/Shanghai' });
  await box.must('PATCH', '/storage-domains/local', { description: 'Disks of the shop', lowSpacePercent: 20 });
  await box.must('POST', '/networks', { name: 'tills', kind: 'nat', subnet: '192.168.151.0/24', description: 'Only tills' });
  await box.must('POST', '/networks', { name: 'guests', kind: 'nat', subnet: '192.168.152.0/24' });
  await box.must('POST', '/users', { name: 'keeper', roles: ['operator'], password: adminPassword });
  await box.must('POST', '/users', { name: 'guest', roles: ['observer'] });
  await box.must('PUT', '/storage-domains/isos/files/cameras.iso', readFileSync(await bootIso(slowly)));
  await box.carryOut('POST', '/disks', { name: 'spare', sizeBytes: 64 << 20, format: 'raw', description: 'For a bad day' });
  await box.must('POST', '/vms', {
    name: 'cameras', description: 'Looks at the door', vcpus: 1, memoryBytes: 64 << 20, cdrom: 'cameras.iso', bootOrder: ['cdrom', 'disk'], autostart: true,
    disks: [{ name: 'recordings', sizeBytes: 128 << 20, format: 'raw' }, { sizeBytes: 64 << 20 }], nics: [{ network: 'tills' }, { network: 'default' }],
  });
  await box.must('POST', '/vms', { name: 'cold', memoryBytes: 128 << 20, firmware: 'efi', disks: [{ sizeBytes: 64 << 20 }], nics: [{ network: 'guests' }] });
  await box.settle();
  await box.carryOut('POST', '/vms/cameras/start');
}

test('a box that was set up by hand is exported', () => inBox(async (box) => {
  await furnish(box);
  await box.vmIs('cameras', 'up');
  // The subnet of a network of libvirt's is told by its bridge, which is looked at once a minute.
  await box.until('the network of libvirt was looked at', async () => (await box.must<{ subnet: string | null }>('GET', '/networks/default')).subnet !== null);
  wanted = await answersOf(box);
  exported = await box.inside('bothy site export --secrets');
  assert.match(exported, /passwordHash/);
  real('lab');
}));

test('a new box that gets the export on a stick gives the same answers', () => inBox(async (box) => {
  const stick = await makeStick({ path: `${box.folder}/export.img`, label: 'BOTHY' });
  await stick.write('bothy-site.yaml', exported);
  await stick.copy(await bootIso(slowly), 'cameras.iso');
  const plugged = await box.machine.plugStick(stick.path);
  await box.signIn();
  await box.until('the export is applied', async () => {
    const { current, found } = await siteState(box);
    assert.is(found, null);
    return current?.state === 'applied';
  });
  await box.machine.pullStick(plugged);
  await box.vmIs('cameras', 'up');
  const signIns = [];
  for (const user of ['admin', 'keeper']) signIns.push((await box.api('POST', '/sessions', { user, password: adminPassword })).status);
  assert.equal(signIns, [201, 201]);
  await expectSame(box);
  assert.is(await box.inside('bothy site export --secrets'), exported);
  real('lab');
}));

/** Some answers come a little later: what a watch looks at only now and then. */
async function expectSame(box: Box): Promise<void> {
  let left: string[] = [];
  for (let tries = 0; tries < 8; tries++) {
    left = differences(wanted, await answersOf(box));
    if (left.length === 0) return;
    await box.runFor(30);
  }
  assert.equal(left, []);
}

test.run();
