// Steps that bring a checkout up to date; each does nothing when its result is newer than what it is made from.
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { requireRust, stop } from './toolchain.mjs';

export const root = fileURLToPath(new URL('..', import.meta.url));

/**
 * Runs a command of the project; ends the process with its status when it fails.
 *
 * @param options.onEnd called when it has ended, however it did
 */
export function run(command, args, { onEnd = () => {}, ...options } = {}) {
  const { status, error, signal } = spawnSync(command, args, {
    cwd: root,
    stdio: 'inherit',
    shell: process.platform === 'win32',
    ...options,
  });
  if (error !== undefined) stop(`${command} cannot be run: ${error.message}`);
  if (status !== 0) {
    process.stderr.write(`mi-httpd: ${command} ${args.join(' ')} ended with ${signal ?? status}\n`);
    onEnd();
    process.exit(status ?? 1);
  }
  onEnd();
}

/** A program that an npm package of the project brings. */
export function runTool(name, args, options) {
  run(join(root, 'node_modules', '.bin', name), args, options);
}

export function installDependencies() {
  if (isFresh('node_modules/.package-lock.json', ['package.json', 'package-lock.json'])) return;
  run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error']);
  touch('node_modules/.package-lock.json');
}

export function buildAddon() {
  if (isFresh('native/.built', ['Cargo.toml', 'Cargo.lock', 'crate/Cargo.toml', 'crate/build.rs', 'crate/src'])) return;
  requireRust();
  runTool('napi', [
    'build',
    ...['--platform', '--release', '--esm', '--manifest-path', 'crate/Cargo.toml'],
    ...['--output-dir', 'native', '--js', 'binding.js', '--dts', 'binding.d.ts', '--', '--locked'],
  ]);
  touch('native/.built');
}

export function buildTypeScript() {
  if (isFresh('dist/revision.json', ['tsconfig.json', 'package.json', 'src'])) return;
  for (const name of ['lib', 'dist']) rmSync(join(root, name), { recursive: true, force: true });
  runTool('tsc', ['-p', 'tsconfig.json']);
  bundle();
  copyTypes();
  copyAssets('http/pages/assets');
  copyAssets('web/assets');
  chmodSync(join(root, 'dist/main.js'), 0o755);
  writeRevision();
}

/**
 * Makes what is run: the library and the command in a few files with what they share, since to read two hundred takes a
 * third of the time to start. A module of the user's own that imports `mi-httpd` gets what the command has.
 */
function bundle() {
  const options = [
    '--bundle',
    '--splitting',
    '--format=esm',
    '--platform=node',
    '--target=node20',
    '--log-level=warning',
  ];
  runTool('esbuild', ['lib/index.js', 'lib/main.js', '--outdir=dist', '--packages=external', ...options]);
}

function copyTypes() {
  for (const file of filesBelow('lib', '.d.ts')) {
    cpSync(join(root, file), join(root, file.replace(/^lib/, 'dist')), { recursive: true });
  }
}

/** What browsers load is served as it is written; the compiler does not touch it. */
function copyAssets(directory) {
  cpSync(join(root, 'src', directory), join(root, 'dist', directory), { recursive: true });
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
  return Math.max(stat.mtimeMs, ...readdirSync(path).map((name) => newest(join(path, name))));
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

/** Compiles tests and benchmarks. What was compiled from files that are gone goes first: it would run, too. */
export function buildTests() {
  for (const name of ['test', 'bench']) rmSync(join(root, 'build', name), { recursive: true, force: true });
  runTool('tsc', ['-p', 'tsconfig.test.json']);
}

/** Every file below `directory` whose name ends with `ending`. */
export function filesBelow(directory, ending) {
  return readdirSync(join(root, directory), { recursive: true })
    .map(String)
    .filter((name) => name.endsWith(ending))
    .map((name) => join(directory, name))
    .sort();
}
