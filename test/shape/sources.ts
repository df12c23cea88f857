/** The sources as text, for the tests about the code itself. */
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { rootPath } from '../../appliance/paths.ts';

export interface Source {
  /** From the root of the project, such as `appliance/vm/rules.ts`. */
  path: string;
  text: string;
  lines: string[];
  /** Resolved imports of our own files; `isTypeOnly` for `import type` and `export type`. */
  imports: { path: string; isTypeOnly: boolean }[];
  /** Names of imported packages. */
  packages: string[];
}

const roots = ['appliance', 'ui', 'native'];

export function readSources(folders: string[] = roots): Source[] {
  return folders.flatMap((folder) =>
    readdirSync(join(rootPath, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => /\.tsx?$/.test(name))
      .map((name) => readSource(join(folder, name))),
  );
}

const importPattern = /^(?:import|export)\s+(type\s+)?(?:[^;'"]*?\sfrom\s+)?['"]([^'"]+)['"]|import\(\s*['"]([^'"]+)['"]\s*\)/gm;

function readSource(path: string): Source {
  const text = readFileSync(join(rootPath, path), 'utf8');
  const found = [...text.matchAll(importPattern)].map((match) => ({ target: match[2] ?? match[3] ?? '', isTypeOnly: match[1] !== undefined }));
  return {
    path,
    text,
    lines: text.split('\n'),
    imports: found.filter(({ target }) => target.startsWith('.')).map(({ target, isTypeOnly }) => ({ path: relative(rootPath, join(rootPath, path, '..', target)), isTypeOnly })),
    packages: found.filter(({ target }) => !target.startsWith('.')).map(({ target }) => target),
  };
}
