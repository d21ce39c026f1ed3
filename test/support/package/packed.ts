// What `npm run pack` leaves, made in a copy of the checkout, so that nothing changes under other tests.
import { type ExecFileException, execFile } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

export const checkout = resolve('.');

/** The parts of a clone and of a build that packing reads. */
const parts = [
  ...['package.json', 'package-lock.json', '.gitignore', 'LICENSE', 'README.md', 'CHANGELOG.md', 'SECURITY.md'],
  ...['mi-httpd.cfg', 'Cargo.toml', 'Cargo.lock', 'crate', 'tsconfig.json', 'Containerfile', 'packaging'],
  ...['dist', 'native', 'npm', 'scripts', 'examples', 'docs', 'src', 'test/data'],
];

export interface Packed {
  /** The copy, in which the tarballs were packed. */
  readonly copy: string;
  /** The package without an addon. */
  readonly tarball: string;
  /** Paths in it. */
  readonly files: readonly string[];
  /** The package that holds the addon of this platform. */
  readonly platformTarball: string;
  /** Both in one. */
  readonly selfContained: string;
  /** The platform that the addon was built for here, as napi-rs calls it: `linux-x64-gnu`. */
  readonly platform: string;
}

/** @param script that of package.json which is run, and its arguments */
export async function packEverything(...script: readonly string[]): Promise<Packed> {
  const copy = mkdtempSync(join(tmpdir(), 'mi-httpd-package-'));
  for (const name of parts) {
    const filter = (path: string): boolean => !/[\\/](target|corpus)$/.test(path);
    if (existsSync(name)) cpSync(name, join(copy, name), { recursive: true, preserveTimestamps: true, filter });
  }
  symlinkSync(join(checkout, 'node_modules'), join(copy, 'node_modules'), 'junction');
  // Folders are newer in the copy than what was made of their files.
  for (const made of ['dist/revision.json', 'native/.built']) {
    if (existsSync(join(copy, made))) utimesSync(join(copy, made), new Date(), new Date());
  }
  const platform = /^mi-httpd\.(.+)\.node$/m.exec(readdirSync('native').join('\n'))?.[1];
  if (platform === undefined) throw new Error('native/ holds no addon; npm run build makes it');
  await npm(copy, 'run', ...(script.length > 0 ? script : ['pack']));
  const packages = join(copy, 'build/packages');
  const { version } = readManifest(checkout);
  const tarball = join(packages, `mi-httpd-${version}.tgz`);
  return {
    copy,
    tarball,
    files: (await run('tar', ['-tzf', tarball], copy))
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => line.trim().replace(/^package\//, ''))
      .sort(),
    platformTarball: join(packages, `mi-httpd-${platform}-${version}.tgz`),
    selfContained: join(packages, `mi-httpd-${version}-self-contained-${platform}.tgz`),
    platform,
  };
}

/** A folder with the manifest of a project that has nothing. */
export function emptyProject(): string {
  const project = mkdtempSync(join(tmpdir(), 'mi-httpd-consumer-'));
  writeFileSync(join(project, 'package.json'), JSON.stringify({ name: 'consumer', private: true, type: 'module' }));
  return project;
}

/** A project that has installed the package in one piece. */
export async function installInEmptyProject({ selfContained }: Packed): Promise<string> {
  const project = emptyProject();
  await npm(project, 'install', selfContained, '--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error');
  return project;
}

export function npm(cwd: string, ...args: readonly string[]): Promise<string> {
  return run(process.platform === 'win32' ? 'npm.cmd' : 'npm', args, cwd);
}

/** Runs a program and gives its standard output. @throws Error with all that it wrote when it fails */
export function run(
  program: string,
  args: readonly string[],
  cwd: string,
  variables: Readonly<Record<string, string>> = {},
): Promise<string> {
  return new Promise((resolve_, reject) => {
    const done = (error: ExecFileException | null, stdout: string, stderr: string): void => {
      if (error === null) resolve_(stdout);
      else
        reject(new Error(`${program} ${args.join(' ')} ended with ${error.code ?? error.signal}: ${stdout}${stderr}`));
    };
    const options = {
      cwd,
      env: { ...outerEnvironment(), ...variables },
      timeout: 240_000,
      maxBuffer: 16 * 1024 * 1024,
    };
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
