/** The verbs of templates: made from a VM or a snapshot, seen, renamed, deleted, and VMs made from them. */
import type * as z from 'zod';
import type { Tx } from '../../core/db.ts';
import { newId } from '../../core/id.ts';
import { type Actor, type Call, type Operation, read, startTask, write } from '../../core/operation.ts';
import { Problem } from '../../core/problem.ts';
import { allow, answerOf } from '../answers.ts';
import { safeWish } from '../cloud-init/password.ts';
import { mergeCloudInit } from '../cloud-init/settings.ts';
import { requireOn } from '../device/operations.ts';
import { holderOfTemplate } from '../firmware/variables.ts';
import { vmFromTemplate } from './template-vm.ts';
import { aboutVm } from '../power/operations.ts';
import type { Vm } from '../rows.ts';
import { TemplateCreateInput, TemplateEditInput, TemplateListInput, TemplateListOutput, TemplateOutput, TemplateRef, TemplateVmInput } from './schema.ts';
import type { VmServices } from '../services.ts';
import { holderOf, type KeptConfig } from '../snapshot/snapshots.ts';
import { requireNoSnapshotTask } from '../snapshot/operations.ts';
import { missingText } from './virt-sysprep.ts';
import { nameOfTemplate, type TemplateRow, withoutIdentity } from './templates.ts';
import { VmOutput } from '../schema.ts';

type Shown = z.input<typeof TemplateOutput>;
type CallTx = Tx & { call: Call };

export const aboutTemplate = (template: TemplateRow) => [{ kind: 'template', id: template.id, name: nameOfTemplate(template) }];

function shown({ storage, templates, rows }: VmServices, actor: Actor, template: TemplateRow): Shown {
  const { id, name, version, description, state, madeFrom, isGeneralised, hardware, nics, generation, createdAt } = template;
  const images = templates.disks(id).map(({ diskId }) => diskId);
  const dependents = images.length > 0 ? storage.templates.dependents(images) : [];
  const vms = new Map(dependents.flatMap((disk) => rows.usersOfDisk(disk.id)).map((vm) => [vm.id, { id: vm.id, name: vm.name }]));
  return {
    id, name, version, isLatest: templates.find(name)?.id === id, description, state, madeFrom, isGeneralised,
    vcpus: hardware.vcpus, memoryBytes: hardware.memoryBytes, firmware: hardware.firmware,
    disks: storage.disks(images).map((disk) => ({ id: disk.id, name: disk.name, sizeBytes: disk.sizeBytes })), networks: nics.map(({ network }) => network),
    vms: [...vms.values()].filter((vm) => actor.reach.sees('vm.read', { kind: 'vm', id: vm.id })), dependentDisks: dependents.length, generation, createdAt,
  };
}

export const templateList = read<VmServices>()({
  id: 'template.list', method: 'GET', path: '/templates', permission: 'template.read', scope: 'each', summary: 'List templates, each with its versions',
  input: TemplateListInput, output: TemplateListOutput,
  run(services, { actor }) {
    const visible = actor.reach.rows('template.read', 'template', services.templates.idColumn);
    return { items: services.templates.list(visible).map((row) => shown(services, actor, row)), next: null, generaliseFault: services.generaliser.isInstalled() ? null : missingText };
  },
});

export const templateGet = read<VmServices>()({
  id: 'template.get', method: 'GET', path: '/templates/{template}', permission: 'template.read', summary: 'Show a template',
  input: TemplateRef, output: TemplateOutput,
  run: (services, { actor }, { template }) => shown(services, actor, services.templates.require(template)),
});

export const templateCreate = startTask<VmServices>()({
  id: 'template.create', method: 'POST', path: '/templates', permission: 'template.create', summary: 'Make a template, or a new version of one, from a VM or a snapshot',
  input: TemplateCreateInput,
  run(services, tx, { vm: ref, snapshot, name, description, generalise }) {
    const { storage, templates, variables, clock } = services;
    const vm = requireSource(services, tx, ref);
    if (generalise) requireGeneraliser(services, vm);
    const { config, volumes, keptIn } = snapshot === undefined ? presentOf(services, vm) : snapshotOf(services, vm, snapshot);
    const { hardware, disks, nics } = withoutIdentity(config);
    const version = nextVersion(services, tx, name);
    const images = disks.map(({ diskId, slot, settings }, index) => {
      const from = storage.layers.lock(tx, diskId).id;
      const image = storage.templates.begin(tx, { name: freeImageName(services, `${name} ${version}`, index), description, from, volume: volumes.get(diskId) });
      return { diskId: image.id, slot, settings, from, volume: volumes.get(diskId) ?? storage.requireDisk(from).volumeId };
    });
    const template = { id: newId<'template'>(), name, version, description, state: 'creating' as const, madeFrom: vm.name, isGeneralised: generalise, hardware, nics, generation: 1, createdAt: clock.now() };
    templates.insert(tx, template, images.map(({ diskId, slot, settings }) => ({ diskId, slot, settings })));
    if (keptIn === undefined) variables.keep(tx, holderOfTemplate(template.id), vm.id);
    else variables.copy(tx, keptIn, holderOfTemplate(template.id));
    const input = { template: template.id, vm: vm.id, mustBeDown: snapshot === undefined, generalise, images: images.map(({ diskId, from, volume }) => ({ image: diskId, from, volume })) };
    const about = images.flatMap(({ from, diskId }) => storage.disks([from, diskId])).map((disk) => ({ kind: 'disk', id: disk.id, name: disk.name }));
    return services.tasks.start(tx, 'template.create', input, [...aboutVm(vm), ...aboutTemplate(template), ...about]);
  },
});

/** Who copies a VM's disks for all who will use the template must be allowed to hand its content out. */
function requireSource({ rows }: VmServices, { call: { actor } }: CallTx, ref: string): Vm {
  const vm = rows.find(ref);
  if (!vm || !actor.reach.on('vm.read', { kind: 'vm', id: vm.id })) throw new Problem('not-found', `There is no VM "${ref}". It may have been deleted or renamed.`, { errors: [{ path: 'vm', message: 'There is no such VM.' }] });
  requireOn(actor, 'vm.edit', { kind: 'vm', id: vm.id });
  for (const { diskId } of rows.disks(vm.id)) requireOn(actor, 'disk.transfer', { kind: 'disk', id: diskId });
  return vm;
}

function requireGeneraliser({ generaliser, rows }: VmServices, { id, hardware }: Vm): void {
  const errors = [{ path: 'generalise', message: 'This cannot be done here.' }];
  if (!generaliser.isInstalled()) throw new Problem('unavailable', missingText, { errors });
  if (hardware.os.startsWith('windows')) throw new Problem('invalid-input', 'Windows generalises itself. Run "sysprep /generalize /oobe /shutdown" in it, then make the template without this.', { errors });
  if (rows.disks(id).length === 0) throw new Problem('invalid-input', 'There is no disk with a system that could be generalised. Make the template without this.', { errors });
}

interface Source {
  config: KeptConfig;
  /** The layer that is copied, by disk; of others what they show now. */
  volumes: Map<string, string>;
  /** In whose name its UEFI variables are kept; `undefined` for what the VM has now. */
  keptIn?: string;
}

function presentOf(services: VmServices, vm: Vm): Source {
  allow('make-template', vm);
  requireNoSnapshotTask(services, vm);
  return { config: services.snapshots.configOf(vm), volumes: new Map() };
}

function snapshotOf({ snapshots, storage }: VmServices, vm: Vm, ref: string): Source {
  const snapshot = snapshots.require(vm, ref);
  if (snapshot.state !== 'ok') throw new Problem('wrong-state', `The snapshot "${snapshot.name}" is being taken or deleted. Wait for its task to end, or use another one.`);
  const held = snapshot.config.disks.flatMap((link) => {
    const layer = storage.layers.held(link.diskId, holderOf(snapshot.id));
    return layer ? [{ link, volume: layer.id }] : [];
  });
  return { config: { ...snapshot.config, disks: held.map(({ link }) => link) }, volumes: new Map(held.map(({ link, volume }) => [link.diskId, volume])), keptIn: holderOf(snapshot.id) };
}

/** A new version becomes what the name means: that is a change of the template. */
function nextVersion({ templates }: VmServices, { call: { actor } }: CallTx, name: string): number {
  const [latest] = templates.versions(name);
  if (!latest) return 1;
  if (!actor.reach.on('template.edit', { kind: 'template', id: latest.id })) {
    throw new Problem('name-taken', `There is already a template "${name}", and you may not make new versions of it. Choose another name.`, { errors: [{ path: 'name', message: 'This name is taken.' }] });
  }
  return latest.version + 1;
}

function freeImageName({ storage }: VmServices, stem: string, index: number): string {
  for (let number = index + 1; ; number++) {
    const name = `${stem.slice(0, 50)} image ${number}`;
    if (!storage.findDisk(name)) return name;
  }
}

export const templateEdit = write<VmServices>()({
  id: 'template.edit', method: 'PATCH', path: '/templates/{template}', permission: 'template.edit', status: 200, summary: 'Rename or describe a template',
  input: TemplateEditInput, output: TemplateOutput,
  generation: ({ templates }, { template }) => templates.require(template).generation,
  run(services, tx, { template: ref, name, description }) {
    const { templates } = services;
    const row = templates.require(ref);
    const { actor } = tx.call;
    if (name !== undefined && name !== row.name) renameAll(services, tx, row, name);
    const renamed = templates.require(row.id);
    return shown(services, actor, templates.edit(tx, renamed, { description: description ?? row.description }));
  },
});

function renameAll({ templates }: VmServices, tx: CallTx, { name: old }: TemplateRow, name: string): void {
  if (templates.versions(name).length > 0) throw new Problem('name-taken', `There is already a template "${name}". Choose another name.`, { errors: [{ path: 'name', message: 'This name is taken.' }] });
  for (const version of templates.versions(old)) {
    requireOn(tx.call.actor, 'template.edit', { kind: 'template', id: version.id });
    templates.edit(tx, version, { name });
  }
}

export const templateDelete = startTask<VmServices>()({
  id: 'template.delete', method: 'DELETE', path: '/templates/{template}', permission: 'template.delete', summary: 'Delete one version of a template that nothing lies on',
  input: TemplateRef,
  generation: ({ templates }, { template }) => templates.require(template).generation,
  run(services, tx, { template: ref }) {
    const { storage, templates } = services;
    const row = templates.requireFor('delete', ref);
    const images = templates.disks(row.id).map(({ diskId }) => diskId);
    requireUnused(services, tx.call.actor, row, images);
    for (const image of images) storage.templates.lock(tx, image);
    templates.update(tx, row, { state: 'deleting' });
    return services.tasks.start(tx, 'template.delete', { template: row.id, images }, aboutTemplate(row));
  },
});

function requireUnused(services: VmServices, { reach }: Actor, row: TemplateRow, images: string[]): void {
  const { storage, rows, tasks } = services;
  const what = `The template "${row.name}", version ${row.version},`;
  const dependents = images.length > 0 ? storage.templates.dependents(images) : [];
  const users = dependents.map((disk) => rows.usersOfDisk(disk.id)[0] ?? { kind: 'disk', id: disk.id, name: disk.name });
  const seen = new Set(users.filter(({ kind, id }) => reach.sees(`${kind}.read`, { kind, id })).map(({ kind, name }) => `the ${kind === 'vm' ? 'VM' : 'disk'} "${name}"`));
  const hidden = new Set(users.map(({ id }) => id)).size - seen.size;
  const names = [...seen, ...(hidden > 0 ? [`${hidden} that you may not see`] : [])].join(', ');
  if (dependents.length > 0) throw new Problem('in-use', `${what} is what these lie on: ${names}. Delete them first.`);
  const pools = services.pools.ofTemplate(row.id).map(({ name }) => `"${name}"`).join(', ');
  if (pools) throw new Problem('in-use', `${what} is what these pools are made from: ${pools}. Give them another template first.`);
  const busy = images.some((image) => tasks.list({ limit: 1, isActive: true, about: image }).length > 0);
  if (busy) throw new Problem('wrong-state', `${what} is being copied. Wait for that to end.`);
}

export const templateVm = write<VmServices>()({
  id: 'template.make-vm', method: 'POST', path: '/templates/{template}/vms', permission: 'template.use', status: 201, summary: 'Create a VM from a template',
  input: TemplateVmInput, output: VmOutput,
  prepare: (_services, _call, { cloudInit }) => safeWish(cloudInit),
  run(services, tx, { template: ref, cloudInit: _kept, ...wish }, cloudInit) {
    const { actor } = tx.call;
    if (!actor.reach.somewhere('vm.create')) throw new Problem('forbidden', `${actor.name} may not create VMs: it needs the permission "vm.create". Ask who manages this appliance.`);
    const id = vmFromTemplate(services, tx, actor, { template: services.templates.requireFor('use', ref), ...wish, cloudInit: cloudInit && mergeCloudInit(undefined, cloudInit) });
    return answerOf(services, services.rows.require(id));
  },
});

export const templateOperations: Operation<VmServices>[] = [templateList, templateGet, templateCreate, templateEdit, templateDelete, templateVm] as Operation<VmServices>[]; // each record was checked where it was made
