/**
 * Other versions of the image under test, as signed update bundles, within a minute: the root file system is packed anew with other
 * files, and the version is replaced in the EFI program, where it stands in the command line and in os-release. Building a whole image for each would
 * take ten times as long and prove no more of an update.
 *
 * Signed with the key of whoever built the image (BOTHY_KEYS, or that of the builder's work folder). Called by update-box.ts.
 */
import { createPrivateKey, type KeyObject } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { makeBundle, type Wish } from '../../appliance/update/bundle-tool.ts';
import { build, cached } from '../real/guest/cache.ts';
import type { LabImage } from './image.ts';

export interface Variant {
  /** As long as that of the image. */
  version: string;
  /** Files of the root file system that are otherwise: by path, without the first slash. */
  files?: Record<string, string>;
  /** Files of the root file system in which every `from` becomes `to`. */
  edits?: Record<string, { from: string; to: string }>;
  /** What the manifest says otherwise. */
  claims?: Partial<Pick<Wish, 'architecture' | 'minimumVersion'>>;
  /** Parts of a kilobyte: for what is refused by its manifest. */
  isStub?: boolean;
}

const keyFolder = () => process.env['BOTHY_KEYS'] ?? join(process.env['BOTHY_IMAGE_WORK'] ?? '/var/tmp/bothy-image', 'keys');

export function signingKey(): KeyObject {
  const path = join(keyFolder(), 'private.pem');
  if (!existsSync(path)) throw new Error(`updates can only be signed with the key that the image trusts: there is no ${path}. BOTHY_KEYS names its folder`);
  return createPrivateKey(readFileSync(path));
}

/** Path of the bundle. */
export function variantBundle(image: LabImage, variant: Variant): Promise<string> {
  const sums = [image.root, image.kernel].map((path) => readFileSync(path).length);
  return cached({ name: `update-${variant.version}`, suffix: '.bundle', ingredients: [image.root, sums, readFileSync(join(keyFolder(), 'private.pem'), 'utf8'), variant, recipe] }, async (out) => {
    const folder = `${out}.work`;
    mkdirSync(folder);
    try {
      const files = variant.isStub ? stubs(folder) : { root: await otherRoot(image, variant, folder), kernel: await otherKernel(image, variant, folder) };
      await makeBundle({ version: variant.version, architecture: 'x86_64', minimumVersion: '0', createdAt: 1_700_000_000_000, ...variant.claims, files, keys: [signingKey()], out });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
}

function stubs(folder: string): Record<'root' | 'kernel', string> {
  const files = { root: join(folder, 'root'), kernel: join(folder, 'kernel') };
  for (const path of Object.values(files)) writeFileSync(path, Buffer.alloc(1024, 7));
  return files;
}

/** Counted up when this file makes something else of the same wishes. */
const recipe = 2;
const minute = 60_000;

/** What QEMU's machine has no use for: each byte costs time four times under emulation. */
const unused = {
  files: ['usr/lib/firmware', 'usr/bin/qemu-system-i386', 'usr/share/ovmf', 'usr/share/nodejs/corepack', 'usr/share/nodejs/@types'],
  modules: ['sound', 'drivers/gpu', 'drivers/media', 'drivers/infiniband', 'drivers/net/wireless', 'drivers/net/ethernet'],
};

async function otherRoot(image: LabImage, { version, files = {}, edits = {} }: Variant, folder: string): Promise<string> {
  const [tree, out] = [join(folder, 'tree'), join(folder, 'root.squashfs')];
  await build(['unsquashfs', '-quiet', '-no-progress', '-dest', tree, image.root], 10 * minute);
  const inTree = (path: string) => join(tree, path);
  const named = { 'usr/lib/os-release': { from: image.version, to: version }, 'usr/lib/bothy/package.json': { from: `"version": "${image.version}"`, to: `"version": "${version}"` } };
  for (const [path, { from, to }] of Object.entries({ ...named, ...edits })) {
    const text = readFileSync(inTree(path), 'utf8');
    if (!text.includes(from)) throw new Error(`${path} of the image does not hold ${from}`);
    writeFileSync(inTree(path), text.replaceAll(from, to));
  }
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(inTree(path)), { recursive: true });
    writeFileSync(inTree(path), text);
  }
  const modules = readdirSync(inTree('usr/lib/modules')).flatMap((release) => unused.modules.map((path) => join('usr/lib/modules', release, 'kernel', path)));
  for (const path of [...unused.files, ...modules]) rmSync(inTree(path), { recursive: true, force: true });
  // A quick compression: it is read once.
  await build(['mksquashfs', tree, out, '-noappend', '-quiet', '-no-progress', '-comp', 'zstd', '-Xcompression-level', '3', '-b', '256K'], 10 * minute);
  return out;
}

/** In place, so the sections of the program stay where they are. */
async function otherKernel(image: LabImage, { version }: Variant, folder: string): Promise<string> {
  if (version.length !== image.version.length) throw new Error(`the version of a variant must be as long as ${image.version}`);
  const bytes = readFileSync(image.kernel);
  for (const before of ['PARTLABEL=bothy_', 'IMAGE_VERSION=', 'PRETTY_NAME="Bothy ']) {
    const at = bytes.indexOf(`${before}${image.version}`, 0, 'latin1');
    if (at < 0) throw new Error(`the EFI program does not hold ${before}${image.version}`);
    bytes.write(version, at + before.length, 'latin1');
  }
  const out = join(folder, 'kernel.efi');
  writeFileSync(out, bytes);
  return out;
}
