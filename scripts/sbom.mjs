// What is within the packages, as CycloneDX has it: npm tells of the packages, cargo of the crates.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { outerEnvironment } from './copies.mjs';
import { cratesWithin } from './crates.mjs';
import { isDeliveredPackage, nameOf, packages } from './delivered.mjs';
import { root } from './steps.mjs';
import { stop } from './toolchain.mjs';

const addon = 'mi-httpd-addon';

/** The text of the bill, with the crates of the addon for this machine. */
export function billOfMaterials() {
  const bill = billOfNpm();
  const delivered = new Set(
    Object.keys(packages)
      .filter((place) => place !== '' && isDeliveredPackage(place))
      .map((place) => `${nameOf(place)}@${packages[place].version}`),
  );
  const isDelivered = (reference) => delivered.has(reference) || reference === bill.metadata.component['bom-ref'];
  const crates = cratesWithin();
  const components = [
    ...bill.components.filter((one) => isDelivered(one['bom-ref'])).map(withoutDevelopment),
    {
      type: 'library',
      'bom-ref': addon,
      name: addon,
      version: packages[''].version,
      licenses: [{ license: { id: 'MIT' } }],
    },
    ...crates.flatMap(crateComponents),
    rust(),
  ];
  const inside = components.filter((one) => one.purl?.startsWith('pkg:cargo/')).map((one) => one['bom-ref']);
  const dependencies = [
    ...bill.dependencies
      .filter(({ ref }) => isDelivered(ref))
      .map(({ ref, dependsOn = [] }) => ({ ref, dependsOn: dependsOn.filter(isDelivered) })),
    { ref: addon, dependsOn: [...inside, 'rust-std'] },
    ...crates.flatMap((crate) => crate.parts.map((part) => ({ ref: refOf(crate), dependsOn: [partRef(part)] }))),
  ];
  const [own] = dependencies.filter(({ ref }) => ref === bill.metadata.component['bom-ref']);
  own.dependsOn.push(addon);
  bill.metadata.component.name = 'mi-httpd';
  return `${JSON.stringify({ ...bill, components, dependencies }, null, 2)}\n`;
}

function billOfNpm() {
  const args = ['sbom', '--sbom-format', 'cyclonedx', '--package-lock-only'];
  const options = { cwd: root, encoding: 'utf8', env: outerEnvironment(), maxBuffer: 64 * 1024 * 1024 };
  const { status, stdout, stderr } = spawnSync('npm', args, { ...options, shell: process.platform === 'win32' });
  if (status !== 0) stop(`npm sbom failed: ${stderr}`);
  return JSON.parse(stdout);
}

/** npm takes what is within the bundle for tools, and names an alias as the project does. */
function withoutDevelopment({ properties, ...component }) {
  const name = component['bom-ref'].replace(/@[^@]*$/, '');
  return { ...component, name, properties: properties.filter(({ name }) => name !== 'cdx:npm:package:development') };
}

function crateComponents(crate) {
  const { name, version, licence, repository, parts } = crate;
  const checksum = checksums().get(`${name} ${version}`);
  return [
    {
      type: 'library',
      'bom-ref': refOf(crate),
      name,
      version,
      purl: refOf(crate),
      // The slash of older crates means OR.
      licenses: [{ expression: licence.replace(/\s*\/\s*/g, ' OR ') }],
      ...(checksum === undefined ? {} : { hashes: [{ alg: 'SHA-256', content: checksum }] }),
      ...(repository ? { externalReferences: [{ type: 'vcs', url: repository }] } : {}),
    },
    ...parts.map((part) => ({
      type: 'library',
      'bom-ref': partRef(part),
      name: part.name,
      version: part.version,
      purl: partRef(part),
      licenses: [{ license: { id: part.licence } }],
    })),
  ];
}

function refOf({ name, version }) {
  return `pkg:cargo/${name}@${version.replace('+', '%2B')}`;
}

function partRef({ name, version }) {
  return `pkg:generic/${name}@${version}`;
}

/** SHA-256 of each crate, of the lock file. */
function checksums() {
  const entries = readFileSync(join(root, 'Cargo.lock'), 'utf8').split('[[package]]');
  return new Map(
    entries.flatMap((entry) => {
      const [name, version, checksum] = ['name', 'version', 'checksum'].map(
        (field) => new RegExp(`^${field} = "(.*)"$`, 'm').exec(entry)?.[1],
      );
      return checksum === undefined ? [] : [[`${name} ${version}`, checksum]];
    }),
  );
}

function rust() {
  const { stdout } = spawnSync('rustc', ['-V'], { cwd: root, encoding: 'utf8' });
  const version = /^rustc (\S+)/.exec(stdout ?? '')?.[1] ?? stop('rustc does not tell its version');
  const licenses = [{ expression: 'MIT OR Apache-2.0' }];
  return { type: 'library', 'bom-ref': 'rust-std', name: 'rust-std', version, licenses };
}
