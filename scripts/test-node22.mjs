// npm run test:node22: all tests on Node.js 22, in a copy of the checkout with an installation of its own.
// Arguments are handed on: npm run test:node22 -- test/wire/load.test.ts
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { root, run } from './steps.mjs';
import { stop } from './toolchain.mjs';

const version = '22.23.3';
const place = join(root, 'build/node22');
const checkout = join(place, 'checkout');
const quiet = ['--no-audit', '--no-fund', '--loglevel=error'];

const outer = outerEnvironment();
const node = installNode();
copyCheckout();
const env = {
  ...outer,
  // Node.js 22 comes first, so that npm and all that it starts run on it.
  PATH: `${dirname(node)}${delimiter}${process.env.PATH}`,
  // Rust crates that are built already serve here too.
  CARGO_TARGET_DIR: process.env.CARGO_TARGET_DIR ?? join(root, 'target'),
};
process.stdout.write(`Node.js ${printed('node', env)}, npm ${printed('npm', env)}, in ${checkout}\n`);
run('npm', ['ci', ...quiet], { cwd: checkout, env });
const only = process.argv.slice(2);
run('npm', ['test', ...(only.length > 0 ? ['--', ...only] : [])], { cwd: checkout, env });

/**
 * The npm package `node` installs one of these by a script; taken directly, no script has to run.
 * Gives the path of the program.
 */
function installNode() {
  const { platform, arch } = process;
  const prefix = platform === 'darwin' && arch === 'arm64' ? 'node-bin' : 'node';
  const name = `${prefix}-${platform === 'win32' ? 'win' : platform}-${arch}`;
  const path = join(place, 'node_modules', name, 'bin', platform === 'win32' ? 'node.exe' : 'node');
  if (printed(path) === `v${version}`) return path;
  mkdirSync(place, { recursive: true });
  writeFileSync(join(place, 'package.json'), '{ "private": true }\n');
  run('npm', ['install', ...quiet, `${name}@${version}`], { cwd: place, env: outer });
  if (printed(path) !== `v${version}`) stop(`${name}@${version} holds no Node.js that runs here`);
  return path;
}

/** Files that are committed or would be: the working tree without anything built or installed. */
function copyCheckout() {
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

/** The version that a program prints; undefined when it cannot be run. */
function printed(program, environment = outer) {
  const options = { env: environment, encoding: 'utf8', shell: process.platform === 'win32' };
  const { status, stdout } = spawnSync(program, ['--version'], options);
  return status === 0 ? stdout.trim() : undefined;
}

/** Without what npm tells the scripts of this project: an inner npm would take it for its own. */
function outerEnvironment() {
  const inner = /^(npm_package_|npm_lifecycle_|npm_config_local_prefix$|npm_command$|INIT_CWD$)/;
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !inner.test(name)));
}
