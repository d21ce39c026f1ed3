import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';

const environment = resolve('build/opensips-clients');

/** Python with the module opensips. */
export const python = join(environment, 'bin/python3');

export const cli = join(environment, 'bin/opensips-cli');

/** Installs the real clients from PyPI, once per checkout; the reason when this machine cannot. */
export function installClients(): string | undefined {
  if (existsSync(cli)) return undefined;
  if (spawnSync('python3', ['-c', 'import venv, ensurepip']).status !== 0)
    return 'python3 with venv and pip is not here';
  rmSync(environment, { recursive: true, force: true });
  mkdirSync(environment, { recursive: true });
  const made = spawnSync('python3', ['-m', 'venv', environment], { encoding: 'utf8' });
  if (made.status !== 0) return `no Python environment can be made: ${made.stderr.trim().split('\n').at(-1)}`;
  const packages = ['-m', 'pip', 'install', '--quiet', '-r', resolve('test/client/requirements.txt')];
  const installed = spawnSync(python, packages, { encoding: 'utf8' });
  if (installed.status === 0) return undefined;
  rmSync(environment, { recursive: true, force: true });
  return `opensips-cli cannot be installed: ${installed.stderr.trim().split('\n').at(-1)}`;
}
