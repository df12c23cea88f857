/** Applying a site file, cut at any instant of it and of the tasks that it starts, and failing at any step. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { createHash } from 'node:crypto';
import { createAuth } from '../../appliance/auth/auth.ts';
import { createPerform } from '../../appliance/http/perform.ts';
import type { SiteServices } from '../../appliance/provision/services.ts';
import { checkText, take } from '../../appliance/provision/take.ts';
import { createProvision } from '../../appliance/provision/provision.ts';
import { createHost } from '../../appliance/host/host.ts';
import { createActivity } from '../../appliance/activity/activity.ts';
import { createNetwork } from '../../appliance/network/network.ts';
import { createStorage } from '../../appliance/storage/storage.ts';
import { createUpdate } from '../../appliance/update/update.ts';
import { createVm } from '../../appliance/vm/vm.ts';
import { checkTask, type Life, waitFor } from './harness.ts';
import { loopbackOnly } from '../world/outgoing.ts';

const iso = Buffer.alloc(64 * 2048);
iso.write('\x01CD001\x01', 16 * 2048, 'latin1');

const text = `bothy: 1
host: { timeZone: Europe/Berlin }
ports: [{ port: eno1, method: static, address: 10.1.2.3/24, gateway: 10.1.2.1 }]
users: [{ name: admin, roles: [administrator] }]
storageDomains: [{ name: local, description: All disks }]
networks: [{ name: lab, subnet: 192.168.150.0/24 }]
images: [{ name: a.iso, url: "https://images.example.org/a.iso", sha256: ${createHash('sha256').update(iso).digest('hex')} }]
vms:
  - name: web
    memoryBytes: 64 MiB
    autostart: true
    startAfter: [db]
    cdrom: a.iso
    disks: [{ sizeBytes: 1 MiB, format: raw, content: { file: web.raw, format: raw } }, { name: web-data, sizeBytes: 2 MiB }]
    nics: [{ network: lab, mac: "52:54:00:00:00:07" }]
  - { name: db, memoryBytes: 64 MiB, autostart: true, tier: 1, startDelaySeconds: 2 }
`;

interface ApplySite {
  services: SiteServices;
  ask(id: string, input?: Record<string, unknown>): Promise<unknown>;
}

async function open({ core, world, signal, clock, host: machine }: Life): Promise<ApplySite> {
  const auth = createAuth(core);
  const activity = createActivity({ ...core, world: { outgoing: loopbackOnly } });
  const host = createHost({ ...core, world, activity, accel: 'auto', version: '0.0.0' } as Parameters<typeof createHost>[0]); // what others need of it is not used here
  const network = createNetwork({ ...core, world });
  const storage = createStorage({ ...core, world, activity });
  const vm = createVm({ ...core, world, activity, host, network, storage, access: auth.access, viewers: undefined });
  const update = createUpdate({ ...core, world, activity, host, storage, vms: vm, keysPath: '/nonexistent' });
  const perform = createPerform(core, activity.audit, [auth, activity, host, network, storage, vm, update].flatMap(({ operations }) => operations));
  const provision = createProvision({ ...core, world, activity, host, people: auth.people, guestSecrets: vm.guestSecrets, bringUp: vm.bringUp, perform });
  machine.downloads.offer('https://images.example.org/a.iso', iso);
  machine.siteSources.plugIn(undefined, { 'web.raw': Buffer.alloc(2 ** 20, 7) });
  const running = core.reconcilers.start(signal);
  running.catch(() => {});
  let hasLooked = false;
  core.reconcilers.haveLooked().then(() => { hasLooked = true; }, () => {});
  await waitFor(clock, () => hasLooked, 'every reconciler has looked');
  const by = { actor: 'test', requestId: 'test', signal };
  return { services: provision.operations[0]?.services as SiteServices, ask: async (id, input = {}) => (await perform.run(id, input, by)).body }; // all records of a slice share its services
}

interface Page {
  items: Record<string, unknown>[];
}

const pick = (page: unknown, ...names: string[]) => (page as Page).items.map((item) => Object.fromEntries(names.map((name) => [name, item[name]])));

/** By section of the file, so that a half of them can be told apart. */
async function observe({ ask, services }: ApplySite, { host }: Life) {
  const disks = pick(await ask('disk.list'), 'name', 'state', 'sizeBytes', 'usedBy');
  const isMadeFirst = ({ name }: Record<string, unknown>) => name === 'web-disk1';
  const vms = pick(await ask('vm.list'), 'name', 'memoryBytes', 'generation');
  return {
    host: ((await ask('host.settings', { host: 'this' })) as { wanted: unknown }).wanted,
    ports: await host.hostNetwork.settings(),
    users: pick(await ask('user.list'), 'name', 'roles', 'generation'),
    storageDomains: pick(await ask('storage-domain.list'), 'name', 'description', 'generation'),
    networks: pick(await ask('network.list'), 'name', 'subnet', 'generation').filter(({ name }) => name === 'lab'),
    images: pick(await ask('iso.list', { domain: 'isos' }), 'name', 'sha256', 'sizeBytes'),
    disks: [disks.filter(isMadeFirst).map(({ usedBy: _users, ...disk }) => disk), services.files.contents().map(({ disk, state }) => [disk, state])],
    vms: [vms, disks.filter((disk) => !isMadeFirst(disk)).map(({ usedBy: _users, ...disk }) => disk)],
    starts: host.libvirt.domains().map(({ name, state }) => [name, state]),
  };
}

type Observed = Record<string, unknown>;

/** What each step brings about, as `observe` names it. */
const steps = ['', 'host', 'ports', 'certificate', 'signIn', 'history', 'vmDefaults', 'destinations', 'updates', 'roles', 'users', 'groups', 'quotas', 'storageDomains', 'networks', 'images', 'disks', 'vms', 'pools', 'access', 'starts', ''];
const stepNames: string[] = [];

checkTask<ApplySite>(test, {
  name: 'site.apply', open, observe, hasNoUndo: true,
  begin({ services }) {
    stepNames.splice(0, stepNames.length, ...(services.tasks.definitions().find(({ kind }) => kind === 'site.apply')?.steps.map(({ name }) => name) ?? []));
    assert.is(stepNames.length, steps.length, `a step came or went: ${stepNames}`);
    const checked = checkText(services, text);
    return services.database.write({ actor: 'admin@internal', operation: 'site.apply' }, (tx) => take(services, tx, { text, checked, source: 'test', isFound: false }));
  },
  // What was done stays: the next apply goes on from there.
  undone({ before, after, point }) {
    const failing = stepNames.indexOf(point.step) + (point.when === 'done' ? 1 : 0);
    return Object.fromEntries(Object.keys(after as Observed).map((section) => [section, ((steps.indexOf(section) < failing ? after : before) as Observed)[section]]));
  },
});

test.run();
