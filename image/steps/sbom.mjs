/**
 * The bill of materials: every Debian and npm package in a tree, as CycloneDX 1.6.
 *
 * usage: node image/steps/sbom.mjs TREE VERSION [FILE...]      prints JSON; the hashes of FILEs describe the product itself
 *
 * The same tree gives the same text: the time is SOURCE_DATE_EPOCH, the serial number comes from the content.
 */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';

const [tree, version, ...files] = process.argv.slice(2);
if (!tree || !version) throw new Error('usage: sbom.mjs TREE VERSION [FILE...]');

const hash = (data) => createHash('sha256').update(data).digest('hex');
const compare = (a, b) => (a['bom-ref'] < b['bom-ref'] ? -1 : 1);

/** Paragraphs of dpkg's status file; continued lines are not needed. */
function debianPackages() {
  const folder = ['usr/lib/sysimage/dpkg', 'var/lib/dpkg'].map((path) => join(tree, path)).find((path) => existsSync(join(path, 'status')));
  if (!folder) throw new Error(`${tree} holds no list of Debian packages`);
  const release = /^VERSION_ID="?(\d+)/m.exec(readFileSync(join(tree, 'usr/lib/os-release'), 'utf8'))?.[1] ?? '';
  return readFileSync(join(folder, 'status'), 'utf8').split(/\n\n+/).flatMap((paragraph) => {
    const field = (name) => new RegExp(`^${name}: (.*)$`, 'm').exec(paragraph)?.[1];
    const name = field('Package');
    if (!name || !field('Status')?.endsWith(' installed')) return [];
    const purl = `pkg:deb/debian/${encodeURIComponent(name)}@${encodeURIComponent(field('Version'))}?arch=${field('Architecture')}&distro=debian-${release}`;
    return [{
      type: 'library', 'bom-ref': purl, name, version: field('Version'), purl, description: field('Description'),
      supplier: { name: field('Maintainer')?.replace(/ <.*/, '') }, licenses: debianLicenses(name),
    }];
  });
}

/** What a copyright file in Debian's machine-readable format says; nothing where it is prose. */
function debianLicenses(name) {
  const path = join(tree, 'usr/share/doc', name, 'copyright');
  if (!existsSync(path)) return undefined;
  const text = readFileSync(path, 'utf8');
  if (!/^Format: /m.test(text)) return undefined;
  const names = new Set([...text.matchAll(/^License: *(\S.*)$/gm)].map((match) => match[1].trim()));
  return names.size > 0 ? [...names].sort().map((license) => ({ license: { name: license } })) : undefined;
}

function npmPackages(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder).flatMap((name) => {
    if (name.startsWith('@')) return npmPackages(join(folder, name));
    const path = join(folder, name);
    if (!existsSync(join(path, 'package.json'))) return [];
    const { name: fullName, version: packageVersion, license, description } = JSON.parse(readFileSync(join(path, 'package.json'), 'utf8'));
    const purl = `pkg:npm/${fullName.replace('@', '%40')}@${packageVersion}`;
    const component = { type: 'library', 'bom-ref': purl, name: fullName, version: packageVersion, purl, description, licenses: typeof license === 'string' ? [{ license: { name: license } }] : undefined };
    return [component, ...npmPackages(join(path, 'node_modules'))];
  });
}

const byReference = new Map([...debianPackages(), ...npmPackages(join(tree, 'usr/lib/bothy/node_modules'))].map((component) => [component['bom-ref'], component]));
const components = [...byReference.values()].sort(compare);
const serial = hash(JSON.stringify(components)).replace(/^(.{8})(.{4}).(.{3}).(.{3})(.{12}).*$/, '$1-$2-4$3-8$4-$5');
const product = {
  type: 'operating-system', 'bom-ref': `bothy@${version}`, name: 'bothy', version, licenses: [{ license: { id: 'Apache-2.0' } }],
  properties: files.map((file) => ({ name: `sha256:${basename(file)}`, value: hash(readFileSync(file)) })),
};
process.stdout.write(`${JSON.stringify({
  bomFormat: 'CycloneDX', specVersion: '1.6', serialNumber: `urn:uuid:${serial}`, version: 1,
  metadata: { timestamp: new Date(Number(process.env.SOURCE_DATE_EPOCH ?? 0) * 1000).toISOString(), component: product },
  components, dependencies: [{ ref: product['bom-ref'], dependsOn: components.map((component) => component['bom-ref']) }],
}, null, 1)}\n`);
