/**
 * The answer file for Windows Setup, of Vista and later. Pure.
 *
 * Windows looks for it in the root of removable disks: as Autounattend.xml when it is installed, as Unattend.xml when a generalised system starts for the
 * first time. What is not said is not in it, and Windows asks. It keeps the disk's layout and the licence of an installation to the person.
 */
import type { SeedFiles } from '../../../world.ts';
import type { GuestSystemName } from '../../definition/hardware.ts';
import { type Element, element, printXml } from '../../definition/xml.ts';
import { computerNameOf } from './rules.ts';
import type { Windows } from './settings.ts';

export interface AnswerSource {
  vmId: string;
  vmName: string;
  os: GuestSystemName;
  settings: Windows;
}

export function answerFiles(source: AnswerSource): SeedFiles {
  const text = source.settings.answerFile ?? `<?xml version="1.0" encoding="utf-8"?>\n${printXml(answer(source))}\n`;
  return { 'Autounattend.xml': text, 'Unattend.xml': text };
}

function answer(source: AnswerSource): Element {
  // A file may speak of both processors: Windows passes over the part of the other one. Of Windows 11 there is no 32-bit one.
  const processors = source.os === 'windows-11' ? ['amd64'] : ['amd64', 'x86'];
  const pass = (name: string, parts: (Element | undefined)[]) => (parts.some(Boolean) ? element('settings', { pass: name }, ...parts) : undefined);
  const each = (make: (processor: string) => (Element | undefined)[]) => processors.flatMap(make);
  return element('unattend', { xmlns: 'urn:schemas-microsoft-com:unattend', 'xmlns:wcm': 'http://schemas.microsoft.com/WMIConfig/2002/State' },
    pass('windowsPE', each((processor) => [component('Microsoft-Windows-International-Core-WinPE', processor, language(source.settings)), component('Microsoft-Windows-Setup', processor, userData(source.settings))])),
    pass('specialize', each((processor) => [component('Microsoft-Windows-Shell-Setup', processor, identity(source))])),
    pass('oobeSystem', each((processor) => [component('Microsoft-Windows-International-Core', processor, language(source.settings)), component('Microsoft-Windows-Shell-Setup', processor, firstStart(source))])));
}

type Parts = (Element | undefined)[];

function component(name: string, processorArchitecture: string, parts: Parts): Element | undefined {
  if (!parts.some(Boolean)) return undefined;
  return element('component', { name, processorArchitecture, publicKeyToken: '31bf3856ad364e35', language: 'neutral', versionScope: 'nonSxS' }, ...parts);
}

const said = (name: string, text: string | null): Element | undefined => (text === null ? undefined : element(name, {}, text));
const group = (name: string, parts: Parts): Element | undefined => (parts.some(Boolean) ? element(name, {}, ...parts) : undefined);

const language = ({ language: tag }: Windows): Parts => ['InputLocale', 'SystemLocale', 'UILanguage', 'UserLocale'].map((name) => said(name, tag));

const userData = ({ owner, organisation, productKey }: Windows): Parts =>
  [group('UserData', [said('FullName', owner), said('Organization', organisation), group('ProductKey', [said('Key', productKey)])])];

const identity = ({ vmId, vmName, settings: { computerName, productKey, owner, organisation, timeZone } }: AnswerSource): Parts =>
  [said('ComputerName', computerName ?? computerNameOf(vmName, vmId)), said('ProductKey', productKey), said('RegisteredOrganization', organisation), said('RegisteredOwner', owner), said('TimeZone', timeZone)];

/** Who gives a password wants no questions at the first start. */
function firstStart({ os, settings: { password, user, timeZone } }: AnswerSource): Parts {
  if (password === null) return [said('TimeZone', timeZone)];
  const since8 = os === 'windows-7' ? [] : [said('HideOnlineAccountScreens', 'true'), said('HideWirelessSetupInOOBE', 'true')];
  const account = user === null ? undefined : element('LocalAccounts', {}, element('LocalAccount', { 'wcm:action': 'add' }, secret('Password', password), said('DisplayName', user), said('Group', 'Administrators'), said('Name', user)));
  return [
    group('OOBE', [said('HideEULAPage', 'true'), ...since8, said('NetworkLocation', 'Work'), said('ProtectYourPC', '3')]),
    said('TimeZone', timeZone),
    group('UserAccounts', [secret('AdministratorPassword', password), account]),
  ];
}

/** As Windows' own tool writes it, which hides it from a glance and no more: the password with the name of its element behind it. */
const secret = (name: string, password: string): Element =>
  element(name, {}, element('Value', {}, Buffer.from(`${password}${name}`, 'utf16le').toString('base64')), element('PlainText', {}, 'false'));
