// The crates that are within the addon, with what their authors want delivered beside it.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { root } from './steps.mjs';
import { stop } from './toolchain.mjs';

/** Sources of other authors that a crate brings, by its name; their licence is a file of the crate. */
const vendored = {
  'zstd-sys': [{ name: 'zstd', version: /\+zstd\.([0-9.]+)$/, licence: 'BSD-3-Clause', file: 'zstd/LICENSE' }],
};

/**
 * The crates that are linked into the addon of a target, by name: those that only build it are none of them.
 *
 * @param {string} [target] of rustc; left out, that of the machine
 */
export function cratesWithin(target) {
  const { packages, resolve } = metadata(target);
  const byId = new Map(packages.map((one) => [one.id, one]));
  const dependencies = new Map(resolve.nodes.map(({ id, deps }) => [id, deps]));
  const found = new Set();
  const visit = (id) => {
    if (found.has(id) || byId.get(id).targets.some(({ kind }) => kind.includes('proc-macro'))) return;
    found.add(id);
    for (const { pkg, dep_kinds: kinds } of dependencies.get(id))
      if (kinds.some(({ kind }) => kind === null)) visit(pkg);
  };
  visit(packages.find(({ name }) => name === 'mi-httpd-node').id);
  return [...found]
    .map((id) => byId.get(id))
    .filter(({ source }) => source !== null)
    .map(described)
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

function described({ name, version, license, authors, manifest_path: manifest, repository, checksum }) {
  const folder = dirname(manifest);
  const parts = (vendored[name] ?? []).map(({ version: pattern, file, ...part }) => ({
    ...part,
    version: pattern.exec(version)?.[1] ?? stop(`crate ${name} ${version} does not tell which ${part.name} it brings`),
    text: readFileSync(join(folder, file), 'utf8').trim(),
  }));
  return { name, version, licence: license, authors, repository, checksum, text: licenceText(folder), parts };
}

/** Of several licences that may be chosen, that of MIT; undefined where the crate has no file. */
function licenceText(folder) {
  const files = readdirSync(folder).filter((file) => /^(licen[cs]e|copying|notice)/i.test(file));
  const chosen = files.find((file) => /^licen[cs]e[-.]mit/i.test(file));
  const texts = (chosen === undefined ? files.sort() : [chosen]).map((file) =>
    readFileSync(join(folder, file), 'utf8'),
  );
  return texts.length === 0 ? undefined : texts.map((text) => text.trim()).join('\n\n');
}

/** The licence of the project, and those of all that is within the addon: the file LICENSE of a package that holds one. */
export function addonLicences(target) {
  const own = readFileSync(join(root, 'LICENSE'), 'utf8').trim();
  const standard = own.slice(own.indexOf('Permission is hereby granted'));
  const texts = cratesWithin(target).flatMap(({ name, version, licence, authors, text, parts }) => [
    `${name} ${version} (${licence})\n\n${text ?? withoutFile(name, licence, authors, standard)}`,
    ...parts.map((part) => `${part.name} ${part.version} (${part.licence}), within ${name}\n\n${part.text}`),
  ]);
  return `${[own, 'The addon is linked with what follows, and with the standard library of Rust.', ...texts, rustText()].join(`\n\n${'-'.repeat(72)}\n\n`)}\n`;
}

/** Crates of some authors name their licence and have no file of it. */
function withoutFile(name, licence, authors, standard) {
  if (!/\bMIT\b/.test(licence)) stop(`crate ${name} has no licence to deliver`);
  return `Copyright (c) ${authors.length > 0 ? authors.join(', ') : `the authors of ${name}`}\n\n${standard}`;
}

function rustText() {
  const said = 'The standard library of Rust (MIT OR Apache-2.0)\n\nCopyright (c) The Rust Project Contributors';
  const { stdout } = spawnSync('rustc', ['--print', 'sysroot'], { cwd: root, encoding: 'utf8' });
  const file = join((stdout ?? '').trim(), 'share/doc/rust/LICENSE-MIT');
  return existsSync(file) ? `${said}\n\n${readFileSync(file, 'utf8').trim()}` : said;
}

function metadata(target) {
  const platform = target === undefined ? hostTarget() : target;
  const args = ['metadata', '--locked', '--offline', '--format-version', '1', '--filter-platform', platform];
  const options = { cwd: root, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 };
  const { status, stdout, stderr, error } = spawnSync('cargo', args, options);
  if (status !== 0) stop(`cargo metadata does not tell what the addon is made of: ${error?.message ?? stderr.trim()}`);
  return JSON.parse(stdout);
}

/** What rustc calls the machine. */
export function hostTarget() {
  const { stdout } = spawnSync('rustc', ['-vV'], { cwd: root, encoding: 'utf8' });
  return /^host: (.+)$/m.exec(stdout ?? '')?.[1] ?? stop('rustc does not tell which machine this is');
}
