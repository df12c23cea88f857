/** VMs of their own from a snapshot, whose layers are frozen so that the VM that it is of may run, and from a VM that is down, whose disks are locked until they are copied. */
import { write } from '../../core/operation.ts';
import { Problem } from '../../core/problem.ts';
import { allow, answerOf } from '../answers.ts';
import { findDomain } from '../domain.ts';
import type { Vm } from '../rows.ts';
import { VmCloneInput, VmOutput } from '../schema.ts';
import type { VmServices } from '../services.ts';
import { requireNoSnapshotTask } from '../snapshot/operations.ts';
import { snapshotFault } from '../snapshot/rules.ts';
import { SnapshotCloneInput } from '../snapshot/schema.ts';
import { holderOf } from '../snapshot/snapshots.ts';
import { makeClone } from './clone.ts';

export const snapshotClone = write<VmServices>()({
  id: 'snapshot.clone', method: 'POST', path: '/vms/{vm}/snapshots/{snapshot}/clone', permission: 'vm.snapshot', status: 201, summary: 'Make a VM of its own from a snapshot',
  input: SnapshotCloneInput, output: VmOutput,
  run(services, tx, { vm: ref, snapshot: snapshotRef, name, description }) {
    const { rows, storage, snapshots } = services;
    const snapshot = snapshots.require(rows.require(ref), snapshotRef);
    const fault = snapshotFault('clone', snapshot);
    if (fault) throw new Problem('wrong-state', fault);
    const layers = snapshot.config.disks.flatMap(({ diskId }) => {
      const layer = storage.layers.held(diskId, holderOf(snapshot.id));
      return layer ? [[diskId, layer.id] as const] : [];
    });
    const id = makeClone(services, tx, { name, description, config: snapshot.config, of: snapshot.vmId, snapshot: snapshot.id, layers: new Map(layers) });
    return answerOf(services, rows.require(id));
  },
});

export const vmClone = write<VmServices>()({
  id: 'vm.clone', method: 'POST', path: '/vms/{vm}/clone', permission: 'vm.edit', status: 201, summary: 'Make a VM of its own from one that is down',
  input: VmCloneInput, output: VmOutput,
  async prepare(services, _call, { vm: ref }) {
    const vm = services.rows.require(ref);
    allow('clone', vm);
    if (await findDomain(services, vm.id)) throw new Problem('wrong-state', `${vm.name} runs. Take a snapshot of it, and make a VM of that.`); // the rows say that it is down; only libvirt knows
  },
  run(services, tx, { vm: ref, name, description }) {
    const vm: Vm = services.rows.require(ref);
    allow('clone', vm);
    requireNoSnapshotTask(services, vm);
    const id = makeClone(services, tx, { name, description, config: services.snapshots.configOf(vm), of: vm.id });
    return answerOf(services, services.rows.require(id));
  },
});
