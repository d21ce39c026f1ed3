// The package as npm would publish it, packed from a copy of the checkout, so that nothing changes under other tests.
import { type ExecFileException, execFile } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

export const checkout = resolve('.');

/** The parts of a clone and of a build that packing reads. */
const parts = ['package.json', '.gitignore', 'LICENSE', 'README.md', 'CHANGELOG.md', 'SECURITY.md', 'mi-httpd.cfg'];
const folders = ['dist', 'native', 'npm', 'scripts', 'examples', 'docs', 'src', 'test/data'];

export interface Packed {
  /** The copy, with the tarballs that were packed from it. */
  readonly copy: string;
  readonly tarball: string;
  /** Paths in the tarball. */
  readonly files: readonly string[];
  /** Tarballs of the packages that hold the addon, by name; only that of this platform holds a binary. */
  readonly platformTarballs: ReadonlyMap<string, string>;
  /** The platform that the addon was built for here, as napi-rs calls it: `linux-x64-gnu`. */
  readonly platform: string;
}

/** Packs the package and those of all platforms. */
export async function packEverything(): Promise<Packed> {
  const copy = mkdtempSync(join(tmpdir(), 'mi-httpd-package-'));
  for (const name of [...parts, ...folders]) {
    if (existsSync(name)) cpSync(name, join(copy, name), { recursive: true, preserveTimestamps: true });
  }
  const addon = readdirSync('native').find((name) => name.endsWith('.node'));
  const platform = /^mi-httpd\.(.+)\.node$/.exec(addon ?? '')?.[1];
  if (addon === undefined || platform === undefined) throw new Error('native/ holds no addon; npm run build makes it');
  cpSync(join('native', addon), join(copy, 'npm', platform, addon));

  const main = await pack(copy, '.');
  const platformTarballs = new Map<string, string>();
  for (const name of readdirSync(join(copy, 'npm'))) {
    platformTarballs.set(`mi-httpd-${name}`, (await pack(copy, `./npm/${name}`)).tarball);
  }
  return { copy, ...main, platformTarballs, platform };
}

async function pack(copy: string, what: string): Promise<{ tarball: string; files: string[] }> {
  const stdout = await npm(copy, 'pack', what, '--json');
  // npm 12 names the packages in an object; before, they were a list.
  const [packed] = Object.values(JSON.parse(stdout.slice(stdout.search(/^[[{]/m))) as Record<string, PackedByNpm>);
  if (packed === undefined) throw new Error(`npm pack tells nothing: ${stdout}`);
  return { tarball: join(copy, packed.filename), files: packed.files.map(({ path }) => path).sort() };
}

interface PackedByNpm {
  readonly filename: string;
  readonly files: readonly { readonly path: string }[];
}

/** An empty project that installs the package from its tarball, with its dependencies from npm's cache or the registry. */
export async function installInEmptyProject({ tarball, platformTarballs }: Packed): Promise<string> {
  const project = mkdtempSync(join(tmpdir(), 'mi-httpd-consumer-'));
  // Without these, npm would ask the registry for packages of that name.
  const overrides = Object.fromEntries([...platformTarballs].map(([name, path]) => [name, `file:${path}`]));
  const manifest = { private: true, type: 'module', dependencies: { 'mi-httpd': `file:${tarball}` }, overrides };
  writeFileSync(join(project, 'package.json'), JSON.stringify(manifest));
  await npm(project, 'install', '--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error');
  return project;
}

function npm(cwd: string, ...args: readonly string[]): Promise<string> {
  return run(process.platform === 'win32' ? 'npm.cmd' : 'npm', args, cwd);
}

/** Runs a program and gives its standard output. @throws Error with all that it wrote when it fails */
export function run(program: string, args: readonly string[], cwd: string): Promise<string> {
  return new Promise((resolve_, reject) => {
    const done = (error: ExecFileException | null, stdout: string, stderr: string): void => {
      if (error === null) resolve_(stdout);
      else
        reject(new Error(`${program} ${args.join(' ')} ended with ${error.code ?? error.signal}: ${stdout}${stderr}`));
    };
    const options = { cwd, env: outerEnvironment(), timeout: 240_000, maxBuffer: 16 * 1024 * 1024 };
    execFile(program, args, options, done).stdin?.end();
  });
}

/** Without the variables that `npm test` gives its scripts: an inner npm would take them for its own project. */
function outerEnvironment(): NodeJS.ProcessEnv {
  const inner = /^(npm_package_|npm_lifecycle_|npm_config_local_prefix$|npm_command$|INIT_CWD$|NODE_TEST_CONTEXT$)/;
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !inner.test(name)));
}

export interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly [field: string]: unknown;
}

export function readManifest(directory: string): Manifest {
  return JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8')) as Manifest;
}
