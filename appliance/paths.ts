/** Where the parts that are not code lie, found from this file both in the sources and in `build/`. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

function findRoot(folder: string): string {
  if (existsSync(join(folder, 'package.json'))) return folder;
  const parent = dirname(folder);
  if (parent === folder) throw new Error('no package.json above the program: it is not installed whole');
  return findRoot(parent);
}

/** The folder of package.json. */
export const rootPath = findRoot(dirname(fileURLToPath(import.meta.url)));
export const migrationsPath = join(rootPath, 'appliance/migrations');
export const staticPath = join(rootPath, 'ui/static');
/** Our browser scripts, compiled. */
export const scriptsPath = join(rootPath, 'build/ui/static');
export const modulesPath = join(rootPath, 'node_modules');
export const nativeLibraryPath = join(rootPath, 'native/build/libbothy.so');
