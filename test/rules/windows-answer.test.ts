/** The answer file for Windows: what stands in it for whom, names that Windows refuses, and which files of people's own are none. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { answerFiles } from '../../appliance/vm/cloud-init/windows/answer.ts';
import { answerFileFault, computerNameFault, computerNameOf, readsAnswers, userNameFault } from '../../appliance/vm/cloud-init/windows/rules.ts';
import { WindowsWish } from '../../appliance/vm/cloud-init/windows/schema.ts';
import { mergeWindows, noWindows, shownWindows, tellableWindows, type Windows } from '../../appliance/vm/cloud-init/windows/settings.ts';
import { type Element, find, findAll, parseXml, textOf } from '../../appliance/vm/definition/xml.ts';
import type { GuestSystemName } from '../../appliance/vm/definition/hardware.ts';

const vmId = 'a1b2c3d4-0000-4000-8000-000000000000';
const textFor = (settings: Partial<Windows> = {}, os: GuestSystemName = 'windows-10', vmName = 'till') => answerFiles({ vmId, vmName, os, settings: { ...noWindows, ...settings } })['Unattend.xml'] ?? '';
const treeFor = (...given: Parameters<typeof textFor>) => parseXml(textFor(...given));
/** A component of a pass, for one processor. */
function part(tree: Element, pass: string, name: string, processor = 'amd64'): Element | undefined {
  const settings = findAll(tree, 'settings').find(({ attributes }) => attributes['pass'] === pass);
  return settings && findAll(settings, 'component').find(({ attributes }) => attributes['name'] === name && attributes['processorArchitecture'] === processor);
}
const said = (tree: Element | undefined, ...path: string[]) => (tree ? textOf(find(tree, ...path)) : '');

test('nothing said: only the name of the computer, under both names of the file', () => {
  const files = answerFiles({ vmId, vmName: 'till', os: 'windows-11', settings: noWindows });
  assert.equal(Object.keys(files), ['Autounattend.xml', 'Unattend.xml']);
  assert.is(files['Autounattend.xml'], files['Unattend.xml']);
  const tree = parseXml(files['Unattend.xml'] ?? '');
  assert.equal([tree.name, tree.attributes['xmlns']], ['unattend', 'urn:schemas-microsoft-com:unattend']);
  assert.equal(findAll(tree, 'settings').map(({ attributes }) => attributes['pass']), ['specialize']);
  assert.equal(findAll(tree, 'settings', 'component').map(({ attributes: { name, processorArchitecture } }) => [name, processorArchitecture]), [['Microsoft-Windows-Shell-Setup', 'amd64']], 'of Windows 11 there is no 32-bit one');
  assert.is(said(part(tree, 'specialize', 'Microsoft-Windows-Shell-Setup'), 'ComputerName'), 'till');
});

test('all of it stands where Windows reads it, for both processors', () => {
  const tree = treeFor({ computerName: 'KASSE-1', user: 'ada', password: 'pw', owner: 'Ada', organisation: 'Shop & Sons', timeZone: 'W. Europe Standard Time', language: 'de-DE', productKey: 'AAAAA-BBBBB-CCCCC-DDDDD-EEEEE' });
  for (const processor of ['amd64', 'x86']) {
    const identity = part(tree, 'specialize', 'Microsoft-Windows-Shell-Setup', processor);
    assert.equal(['ComputerName', 'ProductKey', 'RegisteredOrganization', 'RegisteredOwner', 'TimeZone'].map((name) => said(identity, name)), ['KASSE-1', 'AAAAA-BBBBB-CCCCC-DDDDD-EEEEE', 'Shop & Sons', 'Ada', 'W. Europe Standard Time']);
    for (const [pass, name] of [['windowsPE', 'Microsoft-Windows-International-Core-WinPE'], ['oobeSystem', 'Microsoft-Windows-International-Core']] as const) {
      assert.equal(['InputLocale', 'SystemLocale', 'UILanguage', 'UserLocale'].map((each) => said(part(tree, pass, name, processor), each)), ['de-DE', 'de-DE', 'de-DE', 'de-DE']);
    }
    const user = part(tree, 'windowsPE', 'Microsoft-Windows-Setup', processor);
    assert.equal([['FullName'], ['Organization'], ['ProductKey', 'Key']].map((path) => said(user, 'UserData', ...path)), ['Ada', 'Shop & Sons', 'AAAAA-BBBBB-CCCCC-DDDDD-EEEEE']);
    assert.is(said(user, 'UserData', 'AcceptEula'), '', 'the licence is for a person to accept');
    const first = part(tree, 'oobeSystem', 'Microsoft-Windows-Shell-Setup', processor);
    // As Microsoft's own example of that element has it.
    assert.equal([said(first, 'UserAccounts', 'AdministratorPassword', 'Value'), said(first, 'UserAccounts', 'AdministratorPassword', 'PlainText')], ['cAB3AEEAZABtAGkAbgBpAHMAdAByAGEAdABvAHIAUABhAHMAcwB3AG8AcgBkAA==', 'false']);
    assert.equal([['Name'], ['Group'], ['Password', 'Value']].map((path) => said(first, 'UserAccounts', 'LocalAccounts', 'LocalAccount', ...path)), ['ada', 'Administrators', Buffer.from('pwPassword', 'utf16le').toString('base64')]);
    assert.is(said(first, 'OOBE', 'HideOnlineAccountScreens'), 'true');
  }
  assert.is(findAll(tree, 'settings').some((settings) => JSON.stringify(settings).includes('DiskConfiguration')), false, 'no disk is ever laid out by it');
});

test('Windows 7 and Vista stop at words that came later', () => {
  const first = part(treeFor({ password: 'pw' }, 'windows-7'), 'oobeSystem', 'Microsoft-Windows-Shell-Setup');
  assert.equal((find(first as Element, 'OOBE')?.children as Element[]).map(({ name }) => name), ['HideEULAPage', 'NetworkLocation', 'ProtectYourPC']);
});

test('whatever a text holds ends no element', () => {
  const nasty = ']]><x a="1">&amp;\'ü漢';
  const tree = treeFor({ organisation: nasty, password: nasty });
  assert.is(said(part(tree, 'specialize', 'Microsoft-Windows-Shell-Setup'), 'RegisteredOrganization'), nasty);
});

test('an own file is given as it is', () => {
  const own = '<?xml version="1.0"?>\n<unattend xmlns="urn:schemas-microsoft-com:unattend"/>\n';
  assert.is(textFor({ answerFile: own, organisation: 'x' }), own);
  for (const [text, fault] of [['<unattend/>', undefined], ['  ', undefined], ['<other/>', /<unattend>/], ['<unattend><a></unattend>', /not XML/], ['[unattended]\nx=1', /not XML/], ['<!DOCTYPE x [<!ENTITY a "b">]><unattend/>', /document type/]] as const) {
    if (fault === undefined) assert.is(answerFileFault(text), undefined, text);
    else assert.match(answerFileFault(text) ?? '', fault);
  }
});

test('names of computers: what Windows refuses is refused here', () => {
  for (const good of ['A', 'TILL-1', 'x2', 'a'.repeat(15)]) assert.is(computerNameFault(good), undefined, good);
  for (const [bad, why] of [['', /Leave it out/], ['a'.repeat(16), /15/], ['-a', /dashes/], ['a-', /dashes/], ['a_b', /dashes/], ['a.b', /dashes/], ['1234', /digits alone/], ['kässe', /dashes/]] as const) assert.match(computerNameFault(bad) ?? '', why);
  assert.is(WindowsWish.safeParse({ computerName: 'a'.repeat(16) }).error?.issues[0]?.path.join('.'), 'computerName');
});

test('a name that is made of the VM\'s is always one that Windows takes, and differs where the VMs\' do', () => {
  for (const name of ['till', 'Kasse 1', 'Straße Ä', '2024', '漢字', 'a very long name of a machine', 'abcdefghij-klmnopqr', `${'x'.repeat(10)}-${'y'.repeat(10)}`]) assert.is(computerNameFault(computerNameOf(name, vmId)), undefined, `${name}: ${computerNameOf(name, vmId)}`);
  assert.is(computerNameOf('web server 1', vmId), 'web-server-1');
  assert.is.not(computerNameOf('accounting-machine-1', vmId), computerNameOf('accounting-machine-2', 'ffff0000-0000-4000-8000-000000000000'));
});

test('names of users', () => {
  for (const good of ['ada', 'Ada Lovelace', 'ädä', 'a.b']) assert.is(userNameFault(good), undefined, good);
  for (const bad of ['', 'a/b', 'a@b', 'x"', '...', 'ends.', 'Administrator', 'guest']) assert.ok(userNameFault(bad), bad);
});

test('other fields that Windows stops at are refused', () => {
  const ok = (wish: object) => WindowsWish.safeParse(wish).success;
  assert.ok(ok({ timeZone: 'W. Europe Standard Time', language: 'zh-Hant-TW', productKey: 'aaaaa-bbbbb-ccccc-ddddd-eeeee' }));
  for (const bad of [{ timeZone: 'Europe/Berlin' }, { language: 'german' }, { language: 'de' }, { productKey: 'AAAAA' }, { organisation: 'a\nb' }, { owner: '' }, { password: '' }, { user: 'a'.repeat(21) }]) assert.not.ok(ok(bad), JSON.stringify(bad));
  assert.is(WindowsWish.parse({ productKey: 'aaaaa-bbbbb-ccccc-ddddd-eeeee' }).productKey, 'AAAAA-BBBBB-CCCCC-DDDDD-EEEEE');
});

test('what is not given stays, null takes away; a user needs a password; secrets are in nothing that is shown or journalled', () => {
  const first = mergeWindows(null, { user: 'ada', password: 'wholly secret', productKey: 'AAAAA-BBBBB-CCCCC-DDDDD-EEEEE', answerFile: ' ' });
  const second = mergeWindows(first, { user: null, owner: 'Ada' });
  assert.equal([second?.user, second?.password, second?.owner, second?.answerFile], [null, 'wholly secret', 'Ada', null]);
  assert.is(mergeWindows(second, undefined), second);
  assert.is(mergeWindows(second, null), null);
  assert.throws(() => mergeWindows(null, { user: 'ada' }), /needs a password/);
  const own = { ...noWindows, ...second, answerFile: '<unattend>own secret</unattend>' };
  for (const text of [JSON.stringify(shownWindows(own, false)), JSON.stringify(tellableWindows(own))]) assert.not.match(text, /secret|AAAAA/);
  assert.equal([shownWindows(own, true)?.hasPassword, shownWindows(own, true)?.hasProductKey, shownWindows(own, true)?.answerFile], [true, true, own.answerFile]);
});

test('systems that read such files', () => {
  assert.equal((['windows-11', 'windows-10', 'windows-7', 'windows-xp', 'linux', 'other'] as GuestSystemName[]).filter(readsAnswers), ['windows-11', 'windows-10', 'windows-7']);
});

test.run();
