// Debian's newer C library in a folder, and programs that run with it: the newest engine needs glibc 2.38. Nothing of the
// machine is changed.
import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { root, run } from './steps.mjs';
import { stop } from './toolchain.mjs';

/** The release of Debian that they are taken from; its glibc is 2.41. */
const suite = 'trixie';

/** Libraries that Node.js and the engine are linked with, and the program that tells Node.js where they are. */
const packages = ['libc6', 'libstdc++6', 'libgcc-s1', 'libatomic1', 'patchelf'];

/** The first glibc that the newest engine loads with. */
const needed = '2.38';

const place = join(root, 'build/libc');

/** True where this process runs with a glibc that is too old for the newest engine. */
export function isGlibcOld() {
  if (process.platform !== 'linux') return false;
  const { glibcVersionRuntime: version } = process.report.getReport().header;
  return version !== undefined && version.localeCompare(needed, 'en', { numeric: true }) < 0;
}

/**
 * Makes a copy of a program that runs with the newer libraries, and so do its children of the same program; other children
 * run as ever.
 */
export function copyWithNewerLibc(program, copy) {
  const libraries = installLibraries();
  const loader = join(
    libraries,
    readdirSync(libraries).find((name) => name.startsWith('ld-linux')),
  );
  const edit = (...args) =>
    run(loader, ['--library-path', libraries, join(place, 'files/usr/bin/patchelf'), ...args, copy], { shell: false });
  mkdirSync(dirname(copy), { recursive: true });
  copyFileSync(program, copy);
  // In two runs, and in this order: what patchelf makes of a program as large as Node.js does not start otherwise.
  edit('--force-rpath', '--set-rpath', libraries);
  edit('--set-interpreter', loader);
}

/** Gives the folder of the libraries. */
function installLibraries() {
  const files = join(place, 'files');
  if (!existsSync(files)) {
    const unpacked = join(place, 'unpacked');
    rmSync(unpacked, { recursive: true, force: true });
    for (const file of download()) run('dpkg-deb', ['--extract', file, unpacked]);
    renameSync(unpacked, files);
  }
  const below = join(files, 'usr/lib');
  return join(
    below,
    readdirSync(below).find((name) => name.endsWith('-linux-gnu')),
  );
}

/** Fetches the packages from the mirror that the machine has; gives their paths. */
function download() {
  const folder = join(place, 'apt');
  rmSync(folder, { recursive: true, force: true });
  for (const name of ['lists/partial', 'cache/archives/partial', 'packages'])
    mkdirSync(join(folder, name), { recursive: true });
  writeFileSync(join(folder, 'sources.list'), `deb ${mirror()} ${suite} main\n`);
  const options = {
    'Dir::Etc::SourceList': join(folder, 'sources.list'),
    'Dir::Etc::SourceParts': '-',
    'Dir::State::Lists': join(folder, 'lists'),
    'Dir::State::Status': '/dev/null',
    'Dir::Cache': join(folder, 'cache'),
    'Acquire::Languages': 'none',
    'Acquire::IndexTargets::deb::DEP-11::DefaultEnabled': 'false',
    // The user of apt need not be able to write here.
    'APT::Sandbox::User': 'root',
  };
  const given = Object.entries(options).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
  const cwd = join(folder, 'packages');
  for (const args of [['update'], ['download', ...packages]]) run('apt-get', ['-qq', ...given, ...args], { cwd });
  return readdirSync(cwd).map((name) => join(cwd, name));
}

/** Where apt takes the packages of this machine from. */
function mirror() {
  const [, codename] = /^VERSION_CODENAME=(.+)$/m.exec(readFileSync('/etc/os-release', 'utf8')) ?? [];
  const filter = ['Created-By: Packages', 'Origin: Debian', 'Component: main', `Release: ${codename}`];
  const { stdout } = spawnSync('apt-get', ['indextargets', '--format', '$(REPO_URI)', ...filter], { encoding: 'utf8' });
  const [uri] = (stdout ?? '').split('\n');
  if (uri) return uri;
  return stop(
    `the newest engine needs glibc ${needed}, and a newer one can be fetched only where apt has a mirror of Debian (after ` +
      'apt-get update); use a newer system, or give --own-libc',
  );
}
