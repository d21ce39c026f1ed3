// The sources as tests import them. vitest reads, transforms and links each module anew for every file of tests, some 300 in
// most: here they are transformed once, and Node.js loads them as it loads a package.
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { buildSync } from 'esbuild';
import type { Plugin } from 'vite';

const sources = resolve('src');

/** Where they lie: a folder for each set of stand-ins. */
const place = resolve('build/test-sources');

/** Modules that tests put others in the place of: their paths in src/, and those of the stand-ins in the checkout. */
export type StandIns = Readonly<Record<string, string>>;

/**
 * The sources for a project of tests. A stand-in imports the module that it stands for by `#src/`.
 *
 * @param name the same for all projects with the same stand-ins
 * @param isBuilt false: vitest does all of it, as it has to where it counts the lines that run, or watches
 */
export function testSources(name: string, standIns: StandIns, isBuilt: boolean): Plugin {
  const byPath = new Map(Object.entries(standIns).map(([path, file]) => [join(sources, path), resolve(file)]));
  const folder = join(place, name);
  if (isBuilt) write(folder, byPath);
  return {
    name: 'sources of tests',
    enforce: 'pre',
    resolveId(source, importer = '') {
      const file = source.startsWith('#src/')
        ? join('src', source.slice('#src/'.length))
        : join(dirname(importer), source);
      if (!/^(?:#src|\.{1,2})\//.test(source)) return undefined;
      const path = resolve(file).replace(/\.js$/, '.ts');
      if (!path.startsWith(`${sources}/`) || path.endsWith('.test.ts')) return undefined;
      if (isBuilt) return join(folder, nameOf(path));
      const standIn = byPath.get(path);
      return standIn === undefined || importer === standIn ? path : standIn;
    },
  };
}

/** Path of a transformed module in the folder of all. */
function nameOf(file: string): string {
  return relative(sources, file).replace(/\.ts$/, '.js');
}

/** All that is not a test. */
let plain: ReadonlyMap<string, string> | undefined;

function write(folder: string, standIns: ReadonlyMap<string, string>): void {
  plain ??= transformed(filesOf(sources).filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts')));
  const texts = new Map(plain);
  for (const [file, standIn] of standIns) {
    const name = nameOf(file);
    const other = name.replace(/\.js$/, '.plain.js');
    const [text = ''] = transformed([standIn]).values();
    texts.set(other, texts.get(name) ?? '');
    texts.set(name, text.replaceAll(`#src/${name}`, `./${relative(dirname(name), other)}`));
  }
  // Another run may be at it: what is the same stays, and a module is there whole.
  for (const [name, text] of texts) {
    const file = join(folder, name);
    mkdirSync(dirname(file), { recursive: true });
    if (textOf(file) === text) continue;
    writeFileSync(`${file}.${process.pid}`, text);
    renameSync(`${file}.${process.pid}`, file);
  }
  for (const file of filesOf(folder)) if (!texts.has(relative(folder, file))) rmSync(file, { force: true });
}

/** By {@link nameOf}. */
function transformed(files: readonly string[]): Map<string, string> {
  const { outputFiles } = buildSync({
    entryPoints: [...files],
    outdir: sources,
    outbase: sources,
    write: false,
    format: 'esm',
    platform: 'node',
    target: 'node20',
  });
  return new Map(outputFiles.map(({ path, text }) => [relative(sources, path), text]));
}

function filesOf(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name));
}

function textOf(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}
