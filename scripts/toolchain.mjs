// The tools that a build needs beyond npm packages. Each check ends the process with one sentence that names what is
// missing and how to get it.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

const root = new URL('..', import.meta.url);

/** Ends the process with one sentence. */
export function stop(sentence) {
  process.stderr.write(`mi-httpd: ${sentence}\n`);
  process.exit(1);
}

export function requireNode() {
  const { engines } = JSON.parse(readFileSync(new URL('package.json', root), 'utf8'));
  const [major, minor] = process.versions.node.split('.').map(Number);
  const suits = (major === 20 && minor >= 19) || (major === 22 && minor >= 13) || major >= 24;
  if (!suits)
    stop(`Node.js ${process.versions.node} does not suit; install Node.js ${engines.node} (https://nodejs.org)`);
}

export function requireRust() {
  const cargo = spawnSync('cargo', ['--version'], { encoding: 'utf8' });
  const wanted = /^rust-version\s*=\s*"([0-9.]+)"/m.exec(readFileSync(new URL('Cargo.toml', root), 'utf8'))?.[1];
  if (cargo.status !== 0) {
    stop(
      `cargo is missing, and the native addon has to be built here; install Rust ${wanted} or later (https://rustup.rs)`,
    );
  }
  const found = /[0-9]+\.[0-9]+/.exec(cargo.stdout)?.[0] ?? '0.0';
  if (older(found, wanted))
    stop(`cargo ${found} is too old for the native addon; update Rust to ${wanted} or later (rustup update)`);
  const linkers = ['cc', 'gcc', 'clang'];
  if (process.platform !== 'win32' && linkers.every((name) => spawnSync(name, ['--version']).status !== 0)) {
    stop(
      'a C compiler is missing, and cargo links the native addon with it; install one (Debian: apt-get install gcc libc6-dev)',
    );
  }
}

function older(found, wanted) {
  const [a, b] = [found, wanted].map((text) => text.split('.').map(Number));
  return a[0] < b[0] || (a[0] === b[0] && a[1] < b[1]);
}
