// npm run test:node -- 22 24: all tests on these versions of Node.js, each in a copy of the checkout with an installation of
// its own; without a number, on all but the oldest one. Other arguments are handed on:
// npm run test:node -- 24 test/wire/load.test.ts. Where the machine's glibc is too old for the newest engine, Node.js runs
// with a newer one; --own-libc leaves it.
import { spawnSync } from 'node:child_process';
import { linkSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { copyCheckout, outerEnvironment, quietNpm } from './copies.mjs';
import { copyWithNewerLibc, isGlibcOld } from './newer-libc.mjs';
import { root, run, statusOf } from './steps.mjs';
import { stop } from './toolchain.mjs';

/** By major version; Node.js 20 is what `npm test` usually runs on. */
const versions = { 20: '20.20.2', 22: '22.23.5', 24: '24.22.3', 26: '26.12.1' };

/** Those that are released for long-term support. */
const byDefault = ['22', '24'];

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
  run('npm', ['ci', ...quietNpm], { cwd: checkout, env });
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
  run('npm', ['install', ...quietNpm, `${name}@${version}`], { cwd: fetched, env: outer });
  const brought = join(fetched, 'node_modules', name, 'bin', program);
  rmSync(path, { force: true });
  mkdirSync(dirname(path), { recursive: true });
  if (isNewerLibc) copyWithNewerLibc(brought, path);
  else linkSync(brought, path);
  if (printed(path) !== `v${version}`) stop(`${name}@${version} holds no Node.js that runs here`);
  return path;
}

/** The output of a program, its version unless other arguments are given; undefined when it cannot be run. */
function printed(program, ...args) {
  const { status, stdout } = spawnSync(program, args.length > 0 ? args : ['--version'], {
    env: outer,
    encoding: 'utf8',
  });
  return status === 0 ? stdout.trim() : undefined;
}
