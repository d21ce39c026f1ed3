// Programs that run with a newer C library than the machine has: the newest engine needs glibc 2.38.
import { copyFileSync, mkdirSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { unpackDebian } from './debian.mjs';
import { root, run } from './steps.mjs';

/** Libraries that Node.js and the engine are linked with, and the program that tells Node.js where they are. */
const packages = ['libc6', 'libstdc++6', 'libgcc-s1', 'libatomic1', 'patchelf'];

/** The first glibc that the newest engine loads with. */
const needed = '2.38';

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
  const files = unpackDebian(join(root, 'build/libc'), packages);
  const libraries = join(files, 'usr/lib', named(join(files, 'usr/lib'), /-linux-gnu$/));
  const loader = join(libraries, named(libraries, /^ld-linux/));
  const edit = (...args) =>
    run(loader, ['--library-path', libraries, join(files, 'usr/bin/patchelf'), ...args, copy], { shell: false });
  mkdirSync(dirname(copy), { recursive: true });
  copyFileSync(program, copy);
  // In two runs, and in this order: what patchelf makes of a program as large as Node.js does not start otherwise.
  edit('--force-rpath', '--set-rpath', libraries);
  edit('--set-interpreter', loader);
}

function named(folder, pattern) {
  return readdirSync(folder).find((name) => pattern.test(name));
}
