/** The snapshots of a VM as a tree, and going back to them. */
import type * as z from 'zod';
import { snapshotClone, snapshotCommit, snapshotCreate, snapshotDelete, snapshotEdit, snapshotList, snapshotPreview, snapshotUndo } from '../../appliance/vm/operations.ts';
import { refusal, type VmVerb, vmCan } from '../../appliance/vm/rules.ts';
import { snapshotFault } from '../../appliance/vm/snapshot/rules.ts';
import type { VmDetails } from '../../appliance/vm/schema.ts';
import type { SnapshotDetails, SnapshotListOutput } from '../../appliance/vm/snapshot/schema.ts';
import { Button, Dialog, More, OperationButton } from '../action.tsx';
import { useUi } from '../context.ts';
import { Form } from '../form.tsx';
import { formatBytes, Time } from '../format.tsx';
import { definePage } from '../page.ts';
import { Chip, Empty, Notice, Panel } from '../section.tsx';
import { type TreeRow, treeRows } from '../snapshot-tree.ts';
import { TemplateLink } from './template-new.tsx';
import { readVm, VmFrame } from './vm-page.tsx';
import { aboutVm } from './vm-state.tsx';

type Snapshots = z.output<typeof SnapshotListOutput>;

export const vmSnapshotsPage = definePage({
  path: '/vms/{vm}/snapshots', live: ['vm', 'snapshot'],
  async load(call, request) {
    const vm = await readVm(call, request);
    return { vm, list: await call.read(snapshotList, { vm: vm.id }) };
  },
  title: ({ vm }) => vm.name,
  view: ({ vm, list }, { t }) => (
    <VmFrame vm={vm}>
      <div class="stack">
        <Preview vm={vm} list={list} />
        <Merging vm={vm} list={list} />
        <Panel title={t('vm.tab.snapshots')} aside={<Take vm={vm} list={list} />}>
          {list.items.length > 0 ? <Tree vm={vm} list={list} /> : <Empty icon="snapshot" title={t('snapshot.none')} text={t('snapshot.noneText')} />}
        </Panel>
      </div>
    </VmFrame>
  ),
});

const reasonAgainst = (verb: VmVerb, vm: VmDetails) => (vmCan(verb, vm) ? undefined : refusal(verb, vm.name, vm));
const previewedOf = ({ items }: Snapshots) => items.find(({ isPreviewed }) => isPreviewed);

function Take({ vm, list }: { vm: VmDetails; list: Snapshots }) {
  const { t, can } = useUi();
  if (!can(snapshotCreate.permission, aboutVm(vm))) return null;
  const reason = reasonAgainst('snapshot', vm) ?? (previewedOf(list) && t('snapshot.endPreviewFirst')) ?? (merging(vm, list).length > 0 ? t('snapshot.mergingFirst') : undefined);
  return (
    <>
      <Button text={t('snapshot.take')} icon="plus" data-dialog="take-snapshot" disabledReason={reason} />
      <Dialog id="take-snapshot" title={t('snapshot.take')}>
        <div class="stack">
          {vm.state !== 'down' && <p class="quiet">{t(vm.hasAgent && vm.state === 'up' ? 'snapshot.takeQuiet' : 'snapshot.takeCrash')}</p>}
          <Form operation={snapshotCreate} id="take-snapshot-form" path={{ vm: vm.id }} submit={t('snapshot.take')} {...(vm.state === 'down' && { sections: [{ fields: ['name', 'description'] }] })} />
        </div>
      </Dialog>
    </>
  );
}

/** Disks whose layers are cleared up after a commit or an undo. A snapshot that is taken or deleted says so itself. */
const merging = (vm: VmDetails, { items }: Snapshots) => (items.some(({ state }) => state === 'creating' || state === 'deleting') ? [] : vm.disks.filter(({ state }) => state === 'locked'));

function Merging({ vm, list }: { vm: VmDetails; list: Snapshots }) {
  const { t } = useUi();
  const disks = merging(vm, list);
  return disks.length === 0 ? null : <Notice tone="info" title={t('snapshot.merging', { disk: disks.map(({ name }) => name).join(', ') })}>{t('snapshot.mergingText')}</Notice>;
}

/** While a VM is tried as it once was, this comes before everything else. */
function Preview({ vm, list }: { vm: VmDetails; list: Snapshots }) {
  const { t } = useUi();
  const snapshot = previewedOf(list);
  if (!snapshot) return null;
  const path = { vm: vm.id, snapshot: snapshot.id };
  return (
    <Notice tone="warn" title={t('snapshot.previewing', { name: snapshot.name })} actions={
      <>
        <OperationButton operation={snapshotUndo} path={path} about={aboutVm(vm)} label={t('snapshot.undo')} icon="undo" disabledReason={reasonAgainst('undo-snapshot', vm)} />
        <OperationButton operation={snapshotCommit} path={path} about={aboutVm(vm)} label={t('snapshot.commit')} icon="check" tone="danger" disabledReason={reasonAgainst('commit-snapshot', vm)}
          confirm={{ title: t('snapshot.commitTitle', { name: snapshot.name }), body: t('snapshot.commitBody', { vm: vm.name }) }} />
      </>
    }>{t('snapshot.previewingText')}</Notice>
  );
}

const now = 'now';
const before = 'before';

function Tree({ vm, list }: { vm: VmDetails; list: Snapshots }) {
  const { t } = useUi();
  const latestFirst = [...list.items].reverse();
  const others = list.beforePreview ? [{ id: before, parent: list.beforePreview.parent }] : [];
  const { rows, lanes } = treeRows([{ id: now, parent: list.current }, ...others, ...latestFirst]);
  const byId = new Map(list.items.map((snapshot) => [snapshot.id, snapshot]));
  return (
    <ol class="tree" aria-label={t('vm.tab.snapshots')} style={`--lanes: ${lanes}`}>
      {rows.map((row) => {
        const snapshot = byId.get(row.id);
        return (
          <li id={`snapshot-${row.id}`} data-kind={snapshot ? 'snapshot' : row.id}>
            <Lines row={row} lanes={lanes} />
            {snapshot ? <Line vm={vm} list={list} snapshot={snapshot} /> : <p class="tree-text"><strong>{t(row.id === now ? 'snapshot.now' : 'snapshot.before')}</strong></p>}
          </li>
        );
      })}
    </ol>
  );
}

const laneWidth = 20;
const middle = 28;
const bottom = 56;
const centre = (lane: number) => lane * laneWidth + laneWidth / 2;

/** Stretched to the height of its row: only the lines, which have no width of their own to be stretched. */
function Lines({ row, lanes }: { row: TreeRow; lanes: number }) {
  const x = centre(row.lane);
  const paths = [
    ...row.passing.map((lane) => `M${centre(lane)} 0V${bottom}`),
    ...row.arriving.map((lane) => (lane === row.lane ? `M${x} 0V${middle}` : `M${centre(lane)} 0C${centre(lane)} ${middle} ${x} 0 ${x} ${middle}`)),
    ...(row.hasParent ? [`M${x} ${middle}V${bottom}`] : []),
  ];
  return (
    <span class="tree-lines">
      <svg aria-hidden="true" viewBox={`0 0 ${lanes * laneWidth} ${bottom}`} preserveAspectRatio="none"><path d={paths.join('')} vector-effect="non-scaling-stroke" /></svg>
      <i style={`--lane: ${row.lane}`} />
    </span>
  );
}

function Line({ vm, list, snapshot }: { vm: VmDetails; list: Snapshots; snapshot: SnapshotDetails }) {
  const { t } = useUi();
  const parent = list.items.find(({ id }) => id === snapshot.parent);
  return (
    <>
      <div class="tree-text">
        <p><strong>{snapshot.name}</strong> <StateChip snapshot={snapshot} /></p>
        <small><Time at={snapshot.createdAt} as="clock" /> · <Held snapshot={snapshot} />{snapshot.description && <> · {snapshot.description}</>}<span class="sr">{parent ? t('snapshot.follows', { name: parent.name }) : ''}</span></small>
      </div>
      <Verbs vm={vm} snapshot={snapshot} obstacle={previewedOf(list) ? 'snapshot.endPreviewFirst' : merging(vm, list).length > 0 ? 'snapshot.mergingFirst' : undefined} />
    </>
  );
}

/** What is there beside the disks, or what a guest finds that comes up from these. */
function Held({ snapshot: { memory, consistency } }: { snapshot: SnapshotDetails }) {
  const { t } = useUi();
  if (!memory) return <>{t(`snapshot.consistency.${consistency}`)}</>;
  const size = formatBytes(memory.bytes);
  return <>{memory.heldMs === null ? t('snapshot.withMemory', { size }) : t('snapshot.withMemoryHeld', { size, seconds: String(Math.round(memory.heldMs / 100) / 10) })}</>;
}

function StateChip({ snapshot }: { snapshot: SnapshotDetails }) {
  const { t } = useUi();
  if (snapshot.isPreviewed) return <Chip tone="warn" icon="eye" text={t('snapshot.isPreviewed')} />;
  if (snapshot.state === 'broken') return <Chip tone="bad" icon="error" text={t('snapshot.state.broken')} reason={t('snapshot.brokenText')} />;
  return snapshot.state === 'ok' ? null : <Chip tone="busy" icon="half" text={t(`snapshot.state.${snapshot.state}`)} />;
}

function Verbs({ vm, snapshot, obstacle }: { vm: VmDetails; snapshot: SnapshotDetails; obstacle: 'snapshot.endPreviewFirst' | 'snapshot.mergingFirst' | undefined }) {
  const { t, can } = useUi();
  if (!can(snapshotCreate.permission, aboutVm(vm))) return null;
  const path = { vm: vm.id, snapshot: snapshot.id };
  const busy = obstacle && t(obstacle);
  const common = { path, about: aboutVm(vm) };
  const against = busy ?? snapshotFault('preview', snapshot) ?? reasonAgainst('preview-snapshot', vm);
  return (
    <span class="row-verbs">
      {snapshot.memory ? <Button text={t('snapshot.preview')} icon="eye" data-dialog={`preview-${snapshot.id}`} disabledReason={against} />
        : <OperationButton {...common} operation={snapshotPreview} label={t('snapshot.preview')} icon="eye" disabledReason={against} />}
      <More id={`more-${snapshot.id}`} label={t('vm.more')}>
        <Button text={t('snapshot.edit')} icon="edit" data-dialog={`edit-${snapshot.id}`} />
        {can('vm.create') && <Button text={t('snapshot.clone')} icon="plus" data-dialog={`clone-${snapshot.id}`} disabledReason={snapshotFault('clone', snapshot)} />}
        {snapshotFault('clone', snapshot) === undefined && <TemplateLink vm={vm} snapshot={snapshot.id} />}
        <OperationButton {...common} operation={snapshotDelete} label={t('snapshot.delete')} icon="trash" tone="danger" disabledReason={busy ?? snapshotFault('delete', snapshot) ?? reasonAgainst('delete-snapshot', vm)}
          confirm={{ title: t('snapshot.deleteTitle', { name: snapshot.name }), body: t('snapshot.deleteBody') }} />
      </More>
      {snapshot.memory && (
        <Dialog id={`preview-${snapshot.id}`} title={t('snapshot.preview')}>
          <Form operation={snapshotPreview} id={`preview-form-${snapshot.id}`} path={path} submit={t('snapshot.preview')} />
        </Dialog>
      )}
      <Dialog id={`clone-${snapshot.id}`} title={t('snapshot.clone')}>
        <div class="stack">
          <p class="quiet">{t('snapshot.cloneText')}</p>
          <Form operation={snapshotClone} id={`clone-form-${snapshot.id}`} path={path} submit={t('snapshot.clone')} />
        </div>
      </Dialog>
      <Dialog id={`edit-${snapshot.id}`} title={t('snapshot.edit')}>
        <Form operation={snapshotEdit} id={`edit-form-${snapshot.id}`} path={path} values={{ ...snapshot }} submit={t('word.save')} />
      </Dialog>
    </span>
  );
}
