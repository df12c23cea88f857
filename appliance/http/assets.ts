/**
 * Static files: ours from `ui/static` (scripts from where they are compiled to), and the few of npm packages that pages use. Each address carries a hash of the
 * content (`/static/bothy.3f2a9c1d.css`), so browsers may keep it for ever; text is compressed once, when first asked for.
 * The list is closed: a name that is not in it does not exist, so no path can lead outside.
 */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import { modulesPath, scriptsPath, staticPath } from '../paths.ts';

/** Name under `/static/` to file below node_modules. */
const packageFiles: Record<string, string> = {
  'htmx.js': 'htmx.org/dist/htmx.min.js',
  'xterm.js': '@xterm/xterm/lib/xterm.mjs',
  'xterm-fit.js': '@xterm/addon-fit/lib/addon-fit.mjs',
  'xterm.css': '@xterm/xterm/css/xterm.css',
  'uplot.js': 'uplot/dist/uPlot.esm.js',
  'uplot.css': 'uplot/dist/uPlot.min.css',
};
/** noVNC is many modules that import each other by relative path, so it is served as a folder, without hashes. */
const novncPath = '@novnc/novnc';

const types: Record<string, string> = {
  '.css': 'text/css; charset=utf-8', '.js': 'text/javascript; charset=utf-8', '.mjs': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml', '.png': 'image/png', '.woff2': 'font/woff2',
};

interface Asset {
  path: string;
  hash: string;
  type: string;
  encoded: Map<string, Buffer>;
}

export interface Assets {
  /** Address of a file by its plain name, with its hash. */
  address(name: string): string;
  /** The answer for the part of a path behind `/static/`. */
  serve(name: string, request: Request): Response;
}

export function createAssets(): Assets {
  const byName = new Map<string, Asset>();
  for (const folder of [staticPath, scriptsPath]) {
    for (const name of listFolder(folder)) if (extname(name) in types) byName.set(name, assetOf(join(folder, name)));
  }
  for (const [name, file] of Object.entries(packageFiles)) byName.set(name, assetOf(join(modulesPath, file)));
  for (const name of listFolder(join(modulesPath, novncPath))) {
    if (name.endsWith('.js') && /^(core|vendor)\//.test(name)) byName.set(`novnc/${name}`, assetOf(join(modulesPath, novncPath, name)));
  }
  return {
    address(name) {
      const asset = byName.get(name);
      if (!asset) throw new Error(`no static file named ${name}`);
      if (name.includes('/')) return `/static/${name}`;
      const ending = extname(name);
      return `/static/${name.slice(0, -ending.length)}.${asset.hash}${ending}`;
    },
    serve(name, request) {
      const plain = name.replace(/\.[0-9a-f]{8}(\.\w+)$/, '$1');
      const asset = byName.get(plain);
      if (!asset) return new Response('There is no such file.\n', { status: 404 });
      const isForEver = name === nameWithHash(plain, asset);
      return respond(asset, request, isForEver);
    },
  };
}

function nameWithHash(name: string, asset: Asset): string {
  const ending = extname(name);
  return `${name.slice(0, -ending.length)}.${asset.hash}${ending}`;
}

function listFolder(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name).slice(folder.length + 1));
}

/** Read when it is first asked for: there are a hundred, and most boxes never show most of them. */
function assetOf(path: string): Asset {
  let hash: string | undefined;
  const hashOnce = () => {
    hash ??= createHash('sha256').update(readFileSync(path)).digest('hex').slice(0, 8);
    return hash;
  };
  return { path, get hash() { return hashOnce(); }, type: types[extname(path)] ?? 'application/octet-stream', encoded: new Map() };
}

function respond(asset: Asset, request: Request, isForEver: boolean): Response {
  const headers = {
    'content-type': asset.type,
    etag: `"${asset.hash}"`,
    vary: 'accept-encoding',
    'cache-control': isForEver ? 'public, max-age=31536000, immutable' : 'no-cache',
  };
  if (request.headers.get('if-none-match') === headers.etag) return new Response(null, { status: 304, headers });
  const encoding = chooseEncoding(request.headers.get('accept-encoding') ?? '', asset);
  const body = contentOf(asset, encoding);
  return new Response(request.method === 'HEAD' ? null : body, {
    headers: { ...headers, 'content-length': String(body.length), ...(encoding && { 'content-encoding': encoding }) },
  });
}

function chooseEncoding(accepted: string, { type }: Asset): '' | 'br' | 'gzip' {
  if (!/^text|svg/.test(type)) return '';
  return /\bbr\b/.test(accepted) ? 'br' : /\bgzip\b/.test(accepted) ? 'gzip' : '';
}

function contentOf(asset: Asset, encoding: '' | 'br' | 'gzip'): Buffer<ArrayBuffer> {
  const kept = asset.encoded.get(encoding);
  if (kept) return Buffer.from(kept);
  const plain = readFileSync(asset.path);
  const body = encoding === 'br' ? brotliCompressSync(plain, { params: { [constants.BROTLI_PARAM_QUALITY]: 9 } }) : encoding === 'gzip' ? gzipSync(plain) : plain;
  if (encoding) asset.encoded.set(encoding, body);
  return Buffer.from(body);
}
