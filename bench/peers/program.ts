import { spawnSync } from 'node:child_process';

const found = new Map<string, string | undefined>();

/** The first line in which a program tells its version; undefined when it is not installed. */
export function versionOf(program: string, ...args: string[]): string | undefined {
  const key = [program, ...args].join(' ');
  if (!found.has(key)) {
    const { error, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8', timeout: 10_000 });
    found.set(key, error === undefined ? (`${stdout}${stderr}`.trim().split('\n')[0] ?? '') : undefined);
  }
  return found.get(key);
}

/** Why a program of Debian cannot be used; undefined: it can. */
export function missing(program: string, args: readonly string[], debianPackage: string): string | undefined {
  if (versionOf(program, ...args) !== undefined) return undefined;
  return `${program} is not installed (npm run bench -- --install, or apt-get install ${debianPackage})`;
}
