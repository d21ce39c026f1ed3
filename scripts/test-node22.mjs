// npm run test:node22: all tests on Node.js 22, in a copy of the checkout with an installation of its own.
// Arguments are handed on: npm run test:node22 -- test/wire/load.test.ts
import { cpSync, mkdirSync, rmSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { spawnSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { root, run } from './steps.mjs';
import { stop } from './toolchain.mjs';

const version = '22.23.3';
const place = join(root, 'build/node22');
const checkout = join(place, 'checkout');

const node = installNode();
copyCheckout();
// Node.js 22 comes first, so that npm and all that it starts run on it.
const env = { ...outerEnvironment(), PATH: `${dirname(node)}${delimiter}${process.env.PATH}` };
// Rust crates that are built already serve here too.
env.CARGO_TARGET_DIR ??= join(root, 'target');
process.stdout.write(`Node.js ${output('node', ['--version'])}, npm ${output('npm', ['--version'])}, in ${checkout}\n`);
run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: checkout, env });
run('npm', ['test', ...process.argv.slice(2).flatMap((arg, index) => (index === 0 ? ['--', arg] : [arg]))], {
  cwd: checkout,
  env,
});

/** The npm package `node` installs one of these by a script; taken directly, no script has to run. */
function installNode() {
  const prefix = process.platform === 'darwin' && process.arch === 'arm64' ? 'node-bin' : 'node';
  const name = `${prefix}-${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}`;
  const binary = process.platform === 'win32' ? 'node.exe' : 'node';
  const path = join(place, 'node_modules', name, 'bin', binary);
  if (output(path, ['--version']) === `v${version}`) return path;
  mkdirSync(place, { recursive: true });
  writeFileSync(join(place, 'package.json'), '{ "private": true }\n');
  const args = ['install', '--no-audit', '--no-fund', '--loglevel=error', `${name}@${version}`];
  run('npm', args, { cwd: place, env: outerEnvironment() });
  if (output(path, ['--version']) !== `v${version}`) stop(`${name}@${version} holds no Node.js that runs here`);
  return path;
}

/** What is committed, and what would be: the working tree without anything built or installed. */
function copyCheckout() {
  const args = ['ls-files', '--cached', '--others', '--exclude-standard', '-z'];
  const { status, stdout } = spawnSync('git', args, { cwd: root, encoding: 'utf8' });
  if (status !== 0) stop('git ls-files fails, and says which files to copy; run this in a git checkout');
  rmSync(checkout, { recursive: true, force: true });
  for (const file of stdout.split('\0')) {
    if (file !== '' && existsSync(join(root, file))) {
      cpSync(join(root, file), join(checkout, file), { preserveTimestamps: true });
    }
  }
}

/** What a program prints, in the environment of the tests; undefined when it cannot be run. */
function output(program, args) {
  const { status, stdout } = spawnSync(program, args, { env: env_(), encoding: 'utf8' });
  return status === 0 ? stdout.trim() : undefined;
}
