// What can be shipped, as files in build/packages: see pack.mjs and package.mjs.
import { spawnSync } from 'node:child_process';
import { copyFileSync, cpSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { outerEnvironment, quietNpm } from './copies.mjs';
import { addonLicences } from './crates.mjs';
import { root, run } from './steps.mjs';
import { stop } from './toolchain.mjs';

export const place = join(root, 'build/packages');

const stages = join(root, 'build/stages');

/** Versions of Node.js for which a package that is installed without a registry brings the engine. */
const nodeVersions = ['20', '22', '24', '26'];

export const { version } = manifestOf(root);

/** Empties the folder of what is shipped. */
export function beginPackages() {
  for (const folder of [place, stages]) {
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
  }
}

/** The addon that was built for this machine: its file, and its platform as napi-rs calls it, `linux-x64-gnu`. */
export function addonHere() {
  const file = readdirSync(join(root, 'native')).find((name) => name.endsWith('.node'));
  const platform = /^mi-httpd\.(.+)\.node$/.exec(file ?? '')?.[1];
  if (platform === undefined) stop('native/ holds no addon; npm run build makes it');
  return { platform, path: join(root, 'native', file) };
}

/** The package without any addon, as the registry is to have it; gives its path. */
export function packMain() {
  return npmPack(root);
}

/** The package that holds the addon of a platform. */
export function packPlatform({ platform, path, target }) {
  const stage = join(stages, platform);
  cpSync(join(root, 'npm', platform), stage, { recursive: true });
  copyFileSync(path, join(stage, `mi-httpd.${platform}.node`));
  writeFileSync(join(stage, 'LICENSE'), addonLicences(target));
  return npmPack(stage);
}

/** Takes the main package apart: a folder with all that an installation on this platform needs, the addon and the engine too. */
export function stageWhole(main, { platform, path }, name) {
  const stage = join(stages, name);
  unpack(main, stage);
  copyFileSync(path, join(stage, `native/mi-httpd.${platform}.node`));
  writeFileSync(join(stage, 'LICENSE'), addonLicences());
  const { optionalDependencies: _, scripts: __, devDependencies: ___, ...manifest } = manifestOf(stage);
  const { os, cpu, libc } = manifestOf(join(root, 'npm', platform));
  const files = [...manifest.files, 'native/*.node'];
  const whole = { ...manifest, files, os, cpu, ...(libc === undefined ? {} : { libc }) };
  writeManifest(stage, whole);
  bringDependencies(stage);
  writeManifest(stage, { ...whole, bundleDependencies: Object.keys(whole.dependencies) });
  return stage;
}

/** One package with all that it needs inside, which is installed without a registry. */
export function packWhole(main, addon) {
  const made = npmPack(stageWhole(main, addon, `self-contained-${addon.platform}`), stages);
  const path = join(place, `mi-httpd-${version}-self-contained-${addon.platform}.tgz`);
  renameSync(made, path);
  return path;
}

/** Puts in what the package needs at run time, with the engine of every Node.js that may be there. */
function bringDependencies(program) {
  const env = outerEnvironment();
  const args = ['install', ...quietNpm, '--omit=dev', '--ignore-scripts', '--no-package-lock', '--prefer-offline'];
  run('npm', args, { cwd: program, env, stdio: ['ignore', 'ignore', 'inherit'] });
  rmSync(join(program, 'node_modules/.package-lock.json'), { force: true });
  rmSync(join(program, 'node_modules/@uwsjs'), { recursive: true, force: true });
  for (const wrapper of readdirSync(join(program, 'node_modules')).filter((name) => name.startsWith('uws-'))) {
    const folder = join(program, 'node_modules', wrapper);
    const { optionalDependencies = {}, ...manifest } = manifestOf(folder);
    const engines = Object.entries(optionalDependencies).filter(([name]) => {
      const [, node] = new RegExp(`^@uwsjs/${process.platform}-${process.arch}-(\\d+)$`).exec(name) ?? [];
      return nodeVersions.includes(node);
    });
    for (const [name, engine] of engines) fetchInto(join(folder, 'node_modules', name), `${name}@${engine}`, env);
    // No client has to ask a registry for those of other platforms.
    writeManifest(folder, { ...manifest, optionalDependencies: Object.fromEntries(engines) });
  }
}

function fetchInto(folder, spec, env) {
  // npm has put the one of this Node.js there, where two versions of the engine want different ones.
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const args = ['pack', spec, '--prefer-offline', '--loglevel=error', '--pack-destination', folder];
  run('npm', args, { cwd: folder, env, stdio: ['ignore', 'ignore', 'inherit'] });
  const [tarball] = readdirSync(folder);
  run('tar', ['-xzf', join(folder, tarball), '-C', folder, '--strip-components=1']);
  rmSync(join(folder, tarball));
}

/** Unpacks what npm has packed. */
export function unpack(tarball, folder) {
  mkdirSync(folder, { recursive: true });
  run('tar', ['-xzf', tarball, '-C', folder, '--strip-components=1']);
}

function npmPack(folder, destination = place) {
  const args = ['pack', '--json', '--loglevel=error', '--pack-destination', destination];
  const options = { cwd: folder, encoding: 'utf8', env: outerEnvironment(), shell: process.platform === 'win32' };
  const { status, stdout, stderr } = spawnSync('npm', args, options);
  if (status !== 0) stop(`npm pack failed in ${folder}: ${stderr}`);
  // npm 12 names the packages in an object; before, they were a list.
  const [{ filename }] = Object.values(JSON.parse(stdout.slice(stdout.search(/^[[{]/m))));
  return join(destination, filename);
}

function writeManifest(folder, manifest) {
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
}

export function manifestOf(folder) {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
}
