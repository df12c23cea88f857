/**
 * The slots of a real box, held to the cases of test/contract: partitions, EFI system partition, systemd-sysupdate. The appliance's own
 * compiled `update/slots.js` is called by the box's own Node; what it writes are small files in place of a root and a kernel.
 */
import { real } from '../real/count.ts';
import type { SlotFacts, Slots } from '../../appliance/world.ts';
import { defineSlotsCases, type SlotsSubject } from '../contract/slots-cases.ts';
import { type Box, openReadyBox } from './box.ts';

const stagingPath = '/var/lib/slots-of-the-lab/staged';

const program = `
import { createSlots } from '/usr/lib/bothy/build/appliance/update/slots.js';
const [verb, ...args] = process.argv.slice(2);
const answer = await createSlots({ stagingPath: '${stagingPath}' })[verb](...args, AbortSignal.timeout(1200000));
console.log(JSON.stringify(answer ?? null));
`;

function subjectOf(box: Box): SlotsSubject {
  const call = async <T>(...argv: string[]) => JSON.parse(await box.inside(`node /root/slots.mjs ${argv.join(' ')}`)) as T; // the caller names the answer of its own verb
  const slots: Slots = {
    stagingPath,
    facts: () => call<SlotFacts>('facts'),
    write: (version) => call('write', version),
    arm: (version) => call('arm', version),
    disarm: (version) => call('disarm', version),
    giveUp: () => call('giveUp'),
  };
  return {
    slots,
    async stage(version, content) {
      const files = ['root.squashfs', 'efi'].map((suffix) => `${stagingPath}/bothy_${version}.${suffix}`);
      await box.inside(`mkdir -p ${stagingPath}; for f in ${files.join(' ')}; do { echo ${content}; head -c 1M /dev/zero; } >$f; done`);
    },
    content: async (version) => (await box.inside(`head -c 16 /dev/disk/by-partlabel/bothy_${version} | tr -d '\\0'`)).trim(),
    menu: async () => (await box.inside('ls $(bootctl --print-esp-path)/EFI/Linux')).split('\n').filter(Boolean),
    async breakWrite(version) {
      // Real bytes: holes of a sparse file are not copied, and the kill would come too late.
      await box.inside([
        `mkdir -p ${stagingPath}`, `head -c 600M /dev/disk/by-partlabel/bothy_$(sed 's/.*PARTLABEL=bothy_\\([^ ]*\\).*/\\1/' /proc/cmdline) >${stagingPath}/bothy_${version}.root.squashfs`,
        `{ node /root/slots.mjs write ${version} >/root/broken.log 2>&1 & }`,
        'for n in $(seq 1200); do systemctl is-active --quiet bothy-slots.service && break; sleep 0.1; done', 'sleep 1',
        'systemctl kill --signal=KILL bothy-slots.service', 'wait', '! grep -qx null /root/broken.log',
      ].join('\n'));
    },
  };
}

let box: Box;

defineSlotsCases({
  name: 'real',
  async open() {
    box = await openReadyBox({ isGated: true, isSetUp: true }); // that saved state is there for the tests of updates
    await box.inside(`systemctl stop bothyd.service; cat >/root/slots.mjs <<'END'\n${program}\nEND`);
    return subjectOf(box);
  },
  close: () => box.close(),
  passed: () => real('lab'),
});
