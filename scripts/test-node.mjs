// npm run test:node -- 22 24: all tests on these versions of Node.js, each in a copy of the checkout with an installation of
// its own; without a number, on all but the oldest one. Other arguments are handed on:
// npm run test:node -- 24 test/wire/load.test.ts. Where the machine's glibc is too old for the newest engine, Node.js runs
// with a newer one; --own-libc leaves it.
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, linkSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { copyWithNewerLibc, isGlibcOld } from './newer-libc.mjs';
import { root, run, statusOf } from './steps.mjs';
import { stop } from './toolchain.mjs';

/** By major version; Node.js 20 is what `npm test` usually runs on. */
const versions = { 20: '20.20.2', 22: '22.23.5', 24: '24.22.3', 26: '26.12.1' };

/** Those that are released for long-term support. */
const byDefault = ['22', '24'];

const quiet = ['--no-audit', '--no-fund', '--loglevel=error'];
const outer = outerEnvironment();
const given = process.argv.slice(2);
const named = given.filter((argument) => /^\d+$/.test(argument));
const isNewerLibc = isGlibcOld() && !given.includes('--own-libc');
const only = given.filter((argument) => !named.includes(argument) && argument !== '--own-libc');

const outcomes = (named.length > 0 ? named : byDefault).map(testOn);
for (const { title, status } of outcomes) process.stdout.write(`${title}: ${status === 0 ? 'passed' : 'failed'}\n`);
process.exitCode = outcomes.every(({ status }) => status === 0) ? 0 : 1;

function testOn(major) {
  if (!Object.hasOwn(versions, major)) stop(`Node.js ${major} is not among ${Object.keys(versions).join(', ')}`);
  const place = join(root, 'build/node', `${major}${isNewerLibc ? '-newer-libc' : ''}`);
  const checkout = join(place, 'checkout');
  const node = installNode(versions[major], place);
  copyCheckout(checkout);
  const env = {
    ...outer,
    // This Node.js comes first, so that npm and all that it starts run on it.
    PATH: `${dirname(node)}${delimiter}${process.env.PATH}`,
    // Rust crates that are built already serve here too.
    CARGO_TARGET_DIR: process.env.CARGO_TARGET_DIR ?? join(root, 'target'),
  };
  const title = `Node.js ${printed(node)}, glibc ${printed(node, '-p', 'process.report.getReport().header.glibcVersionRuntime')}`;
  process.stdout.write(`${title}, in ${checkout}\n`);
  run('npm', ['ci', ...quiet], { cwd: checkout, env });
  return {
    title,
    status: statusOf('npm', ['test', ...(only.length > 0 ? ['--', ...only] : [])], { cwd: checkout, env }),
  };
}

/**
 * The npm package `node` installs one of these by a script; taken directly, no script has to run.
 * Gives the path of the program.
 */
function installNode(version, place) {
  const { platform, arch } = process;
  const prefix = platform === 'darwin' && arch === 'arm64' ? 'node-bin' : 'node';
  const name = `${prefix}-${platform === 'win32' ? 'win' : platform}-${arch}`;
  const program = platform === 'win32' ? 'node.exe' : 'node';
  const path = join(place, 'bin', program);
  if (printed(path) === `v${version}`) return path;
  const fetched = join(place, 'fetched');
  mkdirSync(fetched, { recursive: true });
  writeFileSync(join(fetched, 'package.json'), '{ "private": true }\n');
  run('npm', ['install', ...quiet, `${name}@${version}`], { cwd: fetched, env: outer });
  const brought = join(fetched, 'node_modules', name, 'bin', program);
  rmSync(path, { force: true });
  mkdirSync(dirname(path), { recursive: true });
  if (isNewerLibc) copyWithNewerLibc(brought, path);
  else linkSync(brought, path);
  if (printed(path) !== `v${version}`) stop(`${name}@${version} holds no Node.js that runs here`);
  return path;
}

/** Files that are committed or would be: the working tree without anything built or installed. */
function copyCheckout(checkout) {
  const args = ['ls-files', '--cached', '--others', '--exclude-standard', '-z'];
  const { status, stdout } = spawnSync('git', args, { cwd: root, encoding: 'utf8' });
  if (status !== 0) stop('git ls-files fails, and tells which files to copy; run this in a git checkout');
  rmSync(checkout, { recursive: true, force: true });
  for (const file of stdout.split('\0')) {
    // A file that was removed but not committed yet is still listed.
    if (file === '' || !existsSync(join(root, file))) continue;
    cpSync(join(root, file), join(checkout, file), { preserveTimestamps: true });
  }
}

/** The output of a program, its version unless other arguments are given; undefined when it cannot be run. */
function printed(program, ...args) {
  const { status, stdout } = spawnSync(program, args.length > 0 ? args : ['--version'], {
    env: outer,
    encoding: 'utf8',
  });
  return status === 0 ? stdout.trim() : undefined;
}

/** Without what npm tells the scripts of this project: an inner npm would take it for its own. */
function outerEnvironment() {
  const inner = /^(npm_package_|npm_lifecycle_|npm_config_local_prefix$|npm_command$|INIT_CWD$)/;
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !inner.test(name)));
}
