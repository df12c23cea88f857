/**
 * The image under test, built once from this checkout and kept under the hash of all that goes into it.
 *
 * A variant is another version, or one with other sources (such as a service that dies at start), built from a copy of the
 * checkout. `BOTHY_LAB_IMAGE` names a folder that image/build.sh has filled, to test that one instead; `BOTHY_IMAGE_WORK` is
 * where the builder keeps its trees. Called by the tests in test/lab.
 */
import { createHash } from 'node:crypto';
import { cpSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkout } from '../real/rack-host.ts';
import { build, cached } from '../real/guest/cache.ts';
import { runProcess } from '../process.ts';

export interface LabImage {
  version: string;
  /** Whole bootable disk, qcow2; only to be the base of overlays. */
  disk: string;
  root: string;
  kernel: string;
}

export interface Variant {
  /** That of package.json unless told. */
  version?: string;
  /** Files of the sources that are otherwise, by their path in the project. */
  changes?: Record<string, string>;
}

/** What the image is made of. Everything else of a checkout may change without a new image. */
const ingredients = ['appliance', 'image', 'native', 'ui', 'LICENSE', 'package.json', 'package-lock.json', 'tsconfig.json'];
/** What compiling leaves beside the sources. */
const isProduct = (path: string) => path.startsWith('native/build');

export async function labImage(variant: Variant = {}): Promise<LabImage> {
  const given = process.env.BOTHY_LAB_IMAGE;
  if (given && !variant.version && !variant.changes) return findImage(given);
  const inputs = [...hashSources(), variant.version ?? '', variant.changes ?? {}];
  const folder = await cached({ name: 'image', suffix: '', ingredients: inputs }, (path) => buildImage(path, variant));
  return findImage(folder);
}

/** The files of one image in a folder, whatever its version. */
export function findImage(folder: string): LabImage {
  const versions = readdirSync(folder).flatMap((name) => /^bothy_(.+)\.qcow2$/.exec(name)?.[1] ?? []);
  const version = versions[0];
  if (version === undefined || versions.length > 1) throw new Error(`${folder} holds ${versions.length} images`);
  const file = (suffix: string) => join(folder, `bothy_${version}.${suffix}`);
  return { version, disk: file('qcow2'), root: file('root.squashfs'), kernel: file('efi') };
}

function hashSources(): string[] {
  return ingredients.flatMap(listFiles).filter((path) => !isProduct(path)).sort().map((path) => {
    const full = join(checkout, path);
    const about = lstatSync(full);
    const content = about.isSymbolicLink() ? readlinkSync(full) : createHash('sha256').update(readFileSync(full)).digest('hex');
    return `${path} ${about.mode & 0o111} ${content}`;
  });
}

function listFiles(name: string): string[] {
  if (!lstatSync(join(checkout, name)).isDirectory()) return [name];
  const entries = readdirSync(join(checkout, name), { recursive: true, withFileTypes: true });
  return entries.filter((entry) => !entry.isDirectory()).map((entry) => join(entry.parentPath, entry.name).slice(checkout.length + 1));
}

async function buildImage(out: string, { version, changes }: Variant): Promise<void> {
  const source = changes ? await changedCopy(changes) : checkout;
  const work = process.env.BOTHY_IMAGE_WORK;
  const argv = [join(source, 'image/build.sh'), '--out', out, ...(version ? ['--version', version] : []), ...(work ? ['--work', work] : [])];
  // A quick compression: this image is read from the page cache and never sent anywhere.
  const result = await runProcess(argv, { timeoutMs: 1_800_000, env: { ...process.env, BOTHY_COMPRESSION: '3' } });
  if (source !== checkout) rmSync(source, { recursive: true, force: true });
  if (result.code !== 0) throw new Error(`the image was not built:\n${result.stdout}${result.stderr}`);
  for (const name of readdirSync(out)) if (name.endsWith('.raw')) rmSync(join(out, name));
}

/** The committed and uncommitted files of the checkout with some of them replaced, at the time of the last commit. */
async function changedCopy(changes: Record<string, string>): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'bothy-lab-source-'));
  for (const name of [...ingredients, 'test']) cpSync(join(checkout, name), join(folder, name), { recursive: true, verbatimSymlinks: true });
  for (const [path, text] of Object.entries(changes)) {
    mkdirSync(join(folder, path, '..'), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  await build(['git', '-C', folder, 'init', '-q']);
  await build(['git', '-C', folder, '-c', 'user.name=lab', '-c', 'user.email=lab@localhost', 'commit', '-q', '--allow-empty', '-m', 'a variant']);
  return folder;
}
