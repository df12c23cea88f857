/** The consoles of a VM, each filling the window: the screen (noVNC) and the serial line (xterm.js). */
import type { Child } from 'hono/jsx';
import { usualChords } from '../../appliance/vm/console/keys-operations.ts';
import { vmConsole, vmSendKeys } from '../../appliance/vm/operations.ts';
import { refusal, vmCan } from '../../appliance/vm/rules.ts';
import type { VmDetails } from '../../appliance/vm/schema.ts';
import { apiPath, Button, Dialog, LinkButton, More, OperationButton } from '../action.tsx';
import { useUi } from '../context.ts';
import { Form } from '../form.tsx';
import { Icon } from '../icon.tsx';
import { definePage } from '../page.ts';
import { Empty, PageHead } from '../section.tsx';
import { readVm, vmPath } from './vm-page.tsx';
import { aboutVm, HeadVerbs, VmChip } from './vm-state.tsx';

export const vmScreenPage = definePage({
  path: '/vms/{vm}/console', offers: vmConsole, frame: 'full', live: ['vm'],
  load: readVm,
  title: (vm: VmDetails) => vm.name,
  view: (vm, { asset }) => (
    <ConsoleFrame vm={vm} type="vnc" attributes={{ 'data-module': asset('novnc/core/rfb.js') }}>
      <ScreenVerbs vm={vm} />
    </ConsoleFrame>
  ),
});

export const vmSerialPage = definePage({
  path: '/vms/{vm}/serial', offers: vmConsole, frame: 'full', live: ['vm'],
  load: readVm,
  title: (vm: VmDetails) => vm.name,
  view: (vm, { asset }) => (
    <>
      <link rel="stylesheet" href={asset('xterm.css')} />
      <ConsoleFrame vm={vm} type="serial" attributes={{ 'data-module': asset('xterm.js'), 'data-fit': asset('xterm-fit.js') }} />
    </>
  ),
});

interface FrameProps {
  vm: VmDetails;
  type: 'vnc' | 'serial';
  attributes: Record<`data-${string}`, string>;
  children?: Child;
}

function ConsoleFrame({ vm, type, attributes, children }: FrameProps) {
  const { t, asset } = useUi();
  const path = vmPath(vm);
  const texts = { connecting: t('console.connecting'), connected: t('console.connected'), lost: t('console.lost') };
  return (
    <>
      <PageHead title={vm.name} parent={{ href: path, text: vm.name }} aside={<VmChip vm={vm} />}><HeadVerbs vm={vm} hasNoConsole /></PageHead>
      {vmCan('console', vm)
        ? (
          <section class="console" id={`console-${type}-${vm.id}`} hx-morph-skip="" data-console={type} data-ticket={apiPath(vmConsole, { vm: vm.name })} data-texts={JSON.stringify(texts)} {...attributes}>
            <header class="console-bar">
              <output aria-live="polite">{t('console.connecting')}</output>
              {children}
              <LinkButton href={type === 'vnc' ? `${path}/serial` : `${path}/console`} text={type === 'vnc' ? t('console.serial') : t('vm.screen')} icon={type === 'vnc' ? 'console' : 'screen'} />
              <Button text={t('console.fullScreen')} icon="expand" isCompact data-verb="full-screen" />
            </header>
            <div class="console-box" data-kind={type} />
          </section>
        )
        : <section class="console"><Empty icon="screen" title={t(`vm.state.${vm.state}`)} text={t('vm.noScreen')} /></section>}
      <script type="module" src={asset('console.js')} />
    </>
  );
}

function ScreenVerbs({ vm }: { vm: VmDetails }) {
  const { t, isRemote } = useUi();
  // VNC of virt-viewer is not encrypted, so it stays on this machine.
  const hasViewer = vm.graphics === 'spice' || !isRemote;
  return (
    <>
      <Button text="Ctrl-Alt-Del" icon="keyboard" data-verb="ctrl-alt-del" />
      <Keys vm={vm} />
      <Button text={t('console.type')} icon="edit" data-dialog="type-text" />
      <a class="button" data-compact="" title={t('console.screenshot')} href={`/api/v1${vmPath(vm)}/screenshot`} download={`${vm.name}.png`}><Icon name="camera" label={t('console.screenshot')} /></a>
      {hasViewer && <a class="button" data-from="tablet" title={t('console.viewerHelp')} href={`/api/v1${vmPath(vm)}/console.vv`} download={`${vm.name}.vv`}><Icon name="external" /><span>virt-viewer</span></a>}
      <Dialog id="type-text" title={t('console.type')}>
        <form method="dialog" class="form"><p class="quiet">{t('console.typeHelp')}</p><textarea rows={4} spellcheck={false} aria-label={t('console.type')} />
          <Button text={t('console.typeNow')} type="submit" tone="primary" /></form>
      </Dialog>
    </>
  );
}

/** `Ctrl-Alt-F1`, as it stands on keys. */
const shown = (chord: string) => chord.split('+').map((key) => key.slice(0, 1).toUpperCase() + key.slice(1)).join('-');

/** What the browser keeps for itself, pressed by the host: it also works where this page has no connection to the screen. */
function Keys({ vm }: { vm: VmDetails }) {
  const { t } = useUi();
  const reason = vmCan('send-keys', vm) ? undefined : refusal('send-keys', vm.name, vm);
  return (
    <>
      <More id="vm-keys" label={t('console.keys')}>
        {usualChords.map((chord) => <OperationButton operation={vmSendKeys} path={{ vm: vm.name }} about={aboutVm(vm)} values={{ keys: chord }} label={shown(chord)} disabledReason={reason} />)}
        <hr />
        <Button text={t('console.otherKeys')} icon="keyboard" data-dialog="press-keys" disabledReason={reason} />
      </More>
      <Dialog id="press-keys" title={t('console.keys')}>
        <Form operation={vmSendKeys} id="press-keys-form" path={{ vm: vm.id }} submit={t('console.press')}><p class="quiet">{t('console.keysHelp')}</p></Form>
      </Dialog>
    </>
  );
}
