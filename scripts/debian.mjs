// Packages of a newer Debian, unpacked into a folder. Nothing of the machine is changed.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from './steps.mjs';
import { stop } from './toolchain.mjs';

const suite = 'trixie';

/** Unpacks packages unless that was done before; gives the folder that holds their files. */
export function unpackDebian(place, packages) {
  const files = join(place, 'files');
  const list = join(place, 'list');
  const wanted = packages.join(' ');
  if (existsSync(list) && readFileSync(list, 'utf8') === wanted) return files;
  rmSync(place, { recursive: true, force: true });
  for (const file of download(join(place, 'apt'), packages)) run('dpkg-deb', ['--extract', file, files]);
  writeFileSync(list, wanted);
  return files;
}

/** Fetches packages from the mirror that the machine has; gives their paths. */
function download(folder, packages) {
  for (const name of ['lists/partial', 'cache/archives/partial', 'packages'])
    mkdirSync(join(folder, name), { recursive: true });
  writeFileSync(join(folder, 'sources.list'), `deb ${mirrorOf(packages.join(', '))} ${suite} main\n`);
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

/** The address from which apt takes the packages of this machine. */
export function mirrorOf(what) {
  const [, codename] = /^VERSION_CODENAME=(.+)$/m.exec(readFileSync('/etc/os-release', 'utf8')) ?? [];
  const filter = ['Created-By: Packages', 'Origin: Debian', 'Component: main', `Release: ${codename}`];
  const { stdout } = spawnSync('apt-get', ['indextargets', '--format', '$(REPO_URI)', ...filter], { encoding: 'utf8' });
  const [uri] = (stdout ?? '').split('\n');
  if (uri) return uri;
  return stop(
    `${what} of Debian ${suite} is needed, and apt has no mirror of Debian to fetch them from ` +
      '(apt-get update gives it one)',
  );
}
