// TypeScript of the checkout as a script that Node.js runs: for benchmarks, and for processes and threads of tests.
import { createHash } from 'node:crypto';
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { buildSync } from 'esbuild';

/** The package is found from there too: its folder is the nearest one above with a package.json. */
const place = resolve('build/scripts');

/**
 * A script with all that it imports of the checkout; packages stay where they are installed.
 *
 * @param {string} file its path in the checkout
 * @returns {string} path of the script
 */
export function bundle(file) {
  return write({ entryPoints: [file] }, file.replace(/\.ts$/, '').replaceAll('/', '-'));
}

/**
 * A script whose text is given; it may import `#src/`.
 *
 * @param {string} contents
 * @returns {string} path of the script
 */
export function bundleText(contents) {
  const name = createHash('sha256').update(contents).digest('hex').slice(0, 16);
  return write({ stdin: { contents, loader: 'ts', resolveDir: resolve('.') } }, `text-${name}`);
}

/**
 * @param {import('esbuild').BuildOptions} entry
 * @param {string} name
 */
function write(entry, name) {
  const { outputFiles } = buildSync({
    ...entry,
    bundle: true,
    packages: 'external',
    format: 'esm',
    platform: 'node',
    target: 'node20',
    sourcemap: 'inline',
    logLevel: 'warning',
    write: false,
    outdir: place,
  });
  mkdirSync(place, { recursive: true });
  const path = join(place, `${name}.mjs`);
  // Renamed into place: another process may run the same script now.
  const begun = `${path}.${process.pid}`;
  writeFileSync(begun, outputFiles[0].contents);
  renameSync(begun, path);
  return path;
}
