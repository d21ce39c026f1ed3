// A throw-away root of Debian, and what runs in it.
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const place = resolve('build/debian-root');

/** What the package needs, and what its parts are tried with. */
const packages = ['nodejs', 'adduser', 'logrotate', 'bash-completion', 'mandoc', 'zsh'];

/** Why there can be no such root; false where there can. */
export const lacksRoot: string | false =
  process.platform !== 'linux' || process.arch !== 'x64'
    ? 'it is tried on Linux x64'
    : process.getuid?.() !== 0
      ? 'it needs root'
      : spawnSync('apt-get', ['--version']).status !== 0 || spawnSync('dpkg-deb', ['--version']).status !== 0
        ? 'apt-get and dpkg-deb are not here'
        : spawnSync('unshare', ['--mount', '--pid', '--fork', 'true']).status !== 0
          ? 'namespaces cannot be made here'
          : false;

/** Makes the root, unless that was done before; gives its folder. */
export async function debianRoot(): Promise<string> {
  const root = join(place, 'root');
  if (existsSync(root)) return root;
  const { mirrorOf, unpackDebian } = (await import(pathToFileURL(resolve('scripts/debian.mjs')).href)) as {
    mirrorOf(what: string): string;
    unpackDebian(place: string, packages: readonly string[]): string;
  };
  const tool = join(unpackDebian(join(place, 'tool'), ['mmdebstrap']), 'usr/bin/mmdebstrap');
  const made = `${root}.made`;
  rmSync(made, { recursive: true, force: true });
  mkdirSync(place, { recursive: true });
  const options = ['--mode=root', '--variant=minbase', `--include=${packages.join(',')}`, '--quiet'];
  execFileSync('perl', [tool, ...options, 'trixie', made, mirrorOf('a root of Debian')], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  renameSync(made, root);
  return root;
}

const enter = 'mount -t proc proc "$0/proc" && mount --rbind /dev "$0/dev" && exec chroot "$0" "$@"';

function argumentsOf(root: string, command: readonly string[]): readonly string[] {
  return ['--mount', '--pid', '--fork', '--kill-child', 'sh', '-c', enter, root, ...command];
}

export interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

const env = {
  PATH: '/usr/sbin:/usr/bin:/sbin:/bin',
  HOME: '/root',
  LC_ALL: 'C.UTF-8',
  DEBIAN_FRONTEND: 'noninteractive',
};

/** Runs a command in the root to its end. */
export function runIn(root: string, ...command: readonly string[]): Ended {
  const { status, stdout, stderr } = spawnSync('unshare', argumentsOf(root, command), { encoding: 'utf8', env });
  return { status, stdout, stderr };
}

/** Starts a command in the root. */
export function startIn(
  root: string,
  variables: Readonly<Record<string, string>>,
  ...command: readonly string[]
): ChildProcess {
  return spawn('unshare', argumentsOf(root, command), {
    env: { ...env, ...variables },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}
