import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';

/** Milliseconds after which a lock is one that a killed process has left. */
const longestInstallation = 300_000;

/** Packages of PyPI in a place of their own. */
export class PythonEnvironment {
  readonly folder: string;
  readonly #requirements: string;

  /** @param requirements file for pip */
  constructor(name: string, requirements: string) {
    this.folder = resolve('build', name);
    this.#requirements = resolve(requirements);
  }

  get python(): string {
    return join(this.folder, 'bin/python3');
  }

  /** Installs them, once per checkout; the reason when this machine cannot. */
  install(): string | undefined {
    const done = join(this.folder, 'installed');
    if (existsSync(done)) return undefined;
    // Tests of both engines, each in a process of its own, want it at once.
    const lock = `${this.folder}.lock`;
    takeLock(lock);
    try {
      return existsSync(done) ? undefined : this.#make(done);
    } finally {
      rmSync(lock, { recursive: true, force: true });
    }
  }

  #make(done: string): string | undefined {
    if (spawnSync('python3', ['-c', 'import venv, ensurepip']).status !== 0)
      return 'python3 with venv and pip is not here';
    rmSync(this.folder, { recursive: true, force: true });
    mkdirSync(this.folder, { recursive: true });
    const made = spawnSync('python3', ['-m', 'venv', this.folder], { encoding: 'utf8' });
    if (made.status !== 0) return `no Python environment can be made: ${made.stderr.trim().split('\n').at(-1)}`;
    const packages = ['-m', 'pip', 'install', '--quiet', '-r', this.#requirements];
    const installed = spawnSync(this.python, packages, { encoding: 'utf8' });
    if (installed.status === 0) {
      writeFileSync(done, '');
      return undefined;
    }
    rmSync(this.folder, { recursive: true, force: true });
    return `packages cannot be installed: ${installed.stderr.trim().split('\n').at(-1)}`;
  }
}

/** Makes a folder that is there while something is done by one process. */
function takeLock(lock: string): void {
  mkdirSync(dirname(lock), { recursive: true });
  for (;;) {
    try {
      mkdirSync(lock);
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      const since = statSync(lock, { throwIfNoEntry: false })?.mtimeMs ?? Number.POSITIVE_INFINITY;
      if (Date.now() - since > longestInstallation) rmSync(lock, { recursive: true, force: true });
      else Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100);
    }
  }
}
