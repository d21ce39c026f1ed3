// Steps that bring a checkout up to date; each does nothing when its result is newer than what it is made from.
import { spawn, spawnSync } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { requireRust, stop } from './toolchain.mjs';

/**
 * Packages that go into the bundle with all that they need: found and read one by one, they take time and memory at the start.
 * Of those who install the package, many bring a logger, and none has to install one.
 */
export const bundledPackages = ['pino', 'pino-pretty', 'fastest-levenshtein'];

/** What bundled packages ask for and do not need here, at least not at the start. */
const replaced = { assert: 'assert.cjs', 'thread-stream': 'thread-stream.cjs' };

export const root = fileURLToPath(new URL('..', import.meta.url));

/** Runs a command of the project; ends the process with its status when it fails. */
export function run(command, args, options) {
  const status = statusOf(command, args, options);
  if (status === 0) return;
  process.stderr.write(`mi-httpd: ${command} ${args.join(' ')} ended with ${status}\n`);
  process.exit(typeof status === 'number' ? status : 1);
}

/** Runs a command of the project to its end; gives its status, or the signal that ended it. */
export function statusOf(command, args, options) {
  const { status, error, signal } = spawnSync(command, args, {
    cwd: root,
    stdio: 'inherit',
    shell: process.platform === 'win32',
    ...options,
  });
  if (error !== undefined) stop(`${command} cannot be run: ${error.message}`);
  return signal ?? status;
}

/** Runs a program to its end; gives its status, 1 where it cannot be run, and what it wrote on standard error. */
export function outcomeOf(command, args) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'ignore', 'pipe'] });
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (text) => {
      stderr += text;
    });
    child.on('error', ({ message }) => resolve({ status: 1, stderr: message }));
    child.on('close', (status) => resolve({ status, stderr }));
  });
}

/** Results of an action for each item, in their order, with as many at once as there are processors. */
export async function inParallel(items, action) {
  const results = [];
  let next = 0;
  const work = async () => {
    while (next < items.length) {
      const place = next++;
      results[place] = await action(items[place]);
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, work));
  return results;
}

/** A program that an npm package of the project brings. */
export function tool(name) {
  return join(root, 'node_modules', '.bin', name);
}

export function runTool(name, args) {
  run(tool(name), args);
}

/** Installs where other packages are wanted than there are: a change of package.json alone is no reason. */
export function installDependencies() {
  if (hasPackages()) return;
  run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error']);
}

/** True if everything that package-lock.json has is installed, but for what is for other platforms. */
function hasPackages() {
  if (!existsSync(join(root, 'node_modules/.package-lock.json'))) return false;
  const { packages: installed } = manifest('node_modules/.package-lock.json');
  return Object.entries(manifest('package-lock.json').packages).every(([path, { version, optional = false }]) => {
    const there = installed[path];
    return path === '' || (there === undefined ? optional : there.version === version);
  });
}

export function buildAddon() {
  if (isFresh('native/.built', ['Cargo.toml', 'Cargo.lock', 'crate/core/Cargo.toml', 'crate/core/src', 'crate/node']))
    return;
  requireRust();
  runTool('napi', [
    'build',
    ...['--platform', '--release', '--esm', '--manifest-path', 'crate/node/Cargo.toml'],
    ...['--output-dir', 'native', '--js', 'binding.js', '--dts', 'binding.d.ts', '--', '--locked'],
  ]);
  touch('native/.built');
}

/** @param isMapped true for source maps beside the bundle, and a build in any case */
export function buildTypeScript({ isMapped = false } = {}) {
  if (!isMapped && isFresh('dist/revision.json', ['tsconfig.json', 'tsconfig.build.json', 'package.json', 'src']))
    return;
  rmSync(join(root, 'dist'), { recursive: true, force: true });
  const inputs = bundle(isMapped);
  bundleTypes();
  writeEntries();
  copyAssets('http/pages/assets');
  copyAssets('web/assets');
  writeLicences([...inputs, ...bundleScripts()]);
  if (!isMapped) nameForTracers();
  chmodSync(join(root, 'dist/main.js'), 0o755);
  writeRevision();
}

/**
 * Makes what is run: the library and the command in a few files with what they share, since to read two hundred takes a
 * third of the time to start. A module of the user's own that imports `mi-httpd` gets what the command has. Of packages,
 * those of {@link bundledPackages} go in.
 */
function bundle(isMapped) {
  const installed = Object.keys(manifest('package.json').dependencies);
  const options = [
    '--bundle',
    '--splitting',
    '--format=esm',
    '--platform=node',
    '--target=node20',
    '--log-level=warning',
    // Comments are a quarter of the text, which stays in memory. Lines stay short, so that a stack names a place.
    ...(isMapped ? [] : ['--minify-whitespace', '--line-limit=140']),
    ...installed.map((name) => `--external:${name}`),
    ...Object.entries(replaced).map(([name, file]) => `--alias:${name}=./scripts/bundled/${file}`),
    // Packages in CommonJS ask for modules of Node.js by require.
    `--banner:js=import { createRequire as requireHere } from 'node:module'; const require = requireHere(import.meta.url);`,
    ...(isMapped ? ['--sourcemap'] : []),
  ];
  const metafile = join(root, 'dist/meta.json');
  runTool('esbuild', [
    'src/index.ts',
    'src/testing.ts',
    'src/main.ts',
    'src/face-modules.ts',
    '--outdir=dist',
    `--metafile=${metafile}`,
    ...options,
  ]);
  const inputs = inputsOf(metafile);
  // On its own: a thread that serves reads what it needs, and nothing that others share.
  runTool('esbuild', [
    'src/face.ts',
    '--outdir=dist',
    '--chunk-names=face-[hash]',
    `--metafile=${metafile}`,
    ...options,
  ]);
  return [...new Set([...inputs, ...inputsOf(metafile)])];
}

/**
 * The script of all pages, and those of pages of one kind, one file each: what two of them share is little, and a request costs more. And
 * the style sheets, without what only readers of the source want.
 */
function bundleScripts() {
  const metafile = join(root, 'dist/meta.json');
  const options = ['--bundle', '--minify', '--format=esm', '--target=es2022', '--log-level=warning'];
  const pages = ['page', 'command', 'contacts', 'live'].map((name) => `src/web/assets/${name}.js`);
  const files = [...pages, 'src/web/charts/charts.js', 'src/web/charts/charts.css'];
  const names = ['--outdir=dist/web/assets', '--entry-names=[name]'];
  runTool('esbuild', [...files, ...names, `--metafile=${metafile}`, ...options]);
  const shared = ['src/http/pages/assets/style.css', '--outdir=dist/http/pages/assets'];
  runTool('esbuild', [...shared, '--minify', '--target=es2022', '--log-level=warning']);
  return inputsOf(metafile);
}

function inputsOf(metafile) {
  const inputs = Object.keys(JSON.parse(readFileSync(metafile, 'utf8')).inputs);
  rmSync(metafile);
  return inputs;
}

/** The licences of the packages that are within the bundle, which want to be delivered with it. */
function writeLicences(inputs) {
  const names = new Set(inputs.flatMap((input) => /^node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(input)?.[1] ?? []));
  const texts = [...names].sort().map((name) => {
    const folder = join(root, 'node_modules', name);
    const file =
      readdirSync(folder).find((one) => /^licen[cs]e/i.test(one)) ?? stop(`${name} has no licence to deliver`);
    return `${name}\n\n${readFileSync(join(folder, file), 'utf8').trim()}\n`;
  });
  writeFileSync(join(root, 'dist/licences.txt'), texts.join(`\n${'-'.repeat(72)}\n\n`));
}

/**
 * One file of declarations for each entry. index.d.cts: the API, and of the inside only what it refers to. Those of the compiler lie as deep as `src`,
 * so that native/binding.d.ts is found from both.
 */
function bundleTypes() {
  runTool('tsc', ['-p', 'tsconfig.build.json', '--outDir', 'types']);
  run(tool('rolldown'), ['-c', 'scripts/types.config.mjs'], { stdio: ['ignore', 'ignore', 'inherit'] });
  const testing = readFileSync(join(root, 'types/testing.d.ts'), 'utf8');
  writeFileSync(join(root, 'dist/testing.d.cts'), testing.replace("'./index.js'", "'./index.cjs'"));
  rmSync(join(root, 'types'), { recursive: true });
  // With the addon that was built before: the help of some parameters is put together when they are declared.
  run(process.execPath, ['scripts/option-help.mjs']);
}

/** The names in `exports` of package.json, with what their declarations for `import` add. */
const entries = {
  index: '',
  // Not in the source, since the types of vitest want those of browsers; vitest has none for `require`.
  testing: `import type { MiMatchers } from './testing.cjs';
declare module 'vitest' {
  interface Matchers<T> extends MiMatchers {}
}
`,
};

/**
 * The entries for `require`, which give what those for `import` give, and the declarations of the latter, which are those of
 * the former: a compiler that takes one for the other, such as by `module: node16`, finds the same types.
 */
function writeEntries() {
  for (const [entry, added] of Object.entries(entries)) {
    writeFileSync(join(root, `dist/${entry}.cjs`), `'use strict';\nmodule.exports = require('./${entry}.js');\n`);
    writeFileSync(join(root, `dist/${entry}.d.ts`), `export * from './${entry}.cjs';\n${added}`);
  }
}

/** Pictures are served as they are drawn. Scripts and style sheets are bundled. */
function copyAssets(directory) {
  const filter = (file) => !file.endsWith('.js') && !file.endsWith('.css');
  cpSync(join(root, 'src', directory), join(root, 'dist', directory), { recursive: true, filter });
}

/**
 * Programs that copy a program with what it needs (@vercel/nft) read names in the text of a file. Of the addon, the engine and the
 * assets the names are made at run time, so a function that is never run has them too.
 */
function nameForTracers() {
  const engines = Object.keys(manifest('package.json').dependencies).filter((name) => name.startsWith('uws-'));
  const binaries = engines.flatMap((name) =>
    Object.keys(manifest(`node_modules/${name}/package.json`).optionalDependencies ?? {}),
  );
  const modules = [...new Set(['../native/binding.js', ...engines, ...binaries])].map(
    (name) => `import.meta.resolve('${name}')`,
  );
  const assets = ['http/pages/assets', 'web/assets'].flatMap((folder) => filesBelow(`dist/${folder}`, ''));
  // Where two versions of the engine want different ones, npm puts one beside its wrapper, which is beside this package.
  const nested = engines.flatMap((engine) => binaries.map((name) => `../../${engine}/node_modules/${name}/`));
  const parts = nested.flatMap((folder) => ['package.json', 'index.js', 'uws.node'].map((name) => folder + name));
  // Threads that serve begin with a file of their own.
  const faces = readdirSync(join(root, 'dist')).filter((name) => /^face[^/]*\.js$/.test(name));
  const own = ['revision.json', ...faces].map((name) => `dist/${name}`);
  const files = [...own, ...assets].map((file) => file.replace('dist', '.'));
  const urls = [...files, ...parts].map((file) => `new URL('${file}',import.meta.url)`);
  appendFileSync(join(root, 'dist/index.js'), `function traced(){return[\n${[...modules, ...urls].join(',\n')}]}\n`);
}

function manifest(file) {
  return JSON.parse(readFileSync(join(root, file), 'utf8'));
}

/** Records the commit for `version revision`; a source tree that is no repository records none. The last step. */
function writeRevision() {
  const git = spawnSync('git', ['rev-parse', '--short=9', 'HEAD'], { cwd: root, encoding: 'utf8' });
  const revision = git.status === 0 ? { git: git.stdout.trim() } : {};
  writeFileSync(join(root, 'dist/revision.json'), `${JSON.stringify(revision)}\n`);
}

function isFresh(result, sources) {
  const path = join(root, result);
  if (!existsSync(path)) return false;
  const made = statSync(path).mtimeMs;
  return sources.every((source) => newest(join(root, source)) <= made);
}

function newest(path) {
  if (!existsSync(path)) return 0;
  const stat = statSync(path);
  if (!stat.isDirectory()) return stat.mtimeMs;
  const names = readdirSync(path).filter((name) => !name.endsWith('.test.ts'));
  return Math.max(stat.mtimeMs, ...names.map((name) => newest(join(path, name))));
}

function touch(result) {
  const path = join(root, result);
  if (!existsSync(path)) {
    mkdirSync(join(path, '..'), { recursive: true });
    writeFileSync(path, '');
  }
  const now = new Date();
  utimesSync(path, now, now);
}

/** Every file below `directory` whose name ends with `ending`. */
export function filesBelow(directory, ending) {
  return readdirSync(join(root, directory), { recursive: true })
    .map(String)
    .filter((name) => name.endsWith(ending))
    .map((name) => join(directory, name))
    .sort();
}
