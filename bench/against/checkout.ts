// Another commit of this project, built in a worktree of its own.
import { type SpawnSyncOptions, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

/** A commit that is built. */
export interface Checkout {
  /** The first digits of its hash. */
  readonly commit: string;
  readonly folder: string;
}

/** Written when a build is complete. */
const builtMark = 'build/built-for-comparison';

/**
 * @param revision as git has it
 * @param root a checkout of the repository
 * @throws Error when there is no such commit, or it cannot be built
 */
export function buildRevision(revision: string, root = resolve('.')): Checkout {
  const commit = commitOf(revision, root);
  if (commit === undefined) throw new Error(`--against has "${revision}", which is no commit here; git log lists them`);
  const folder = join(root, 'build/against', commit);
  if (existsSync(join(folder, builtMark))) return { commit, folder };
  if (!existsSync(folder)) {
    mkdirSync(join(root, 'build/against'), { recursive: true });
    // One that was removed by hand is still known to git.
    run('git', ['worktree', 'prune'], root);
    run('git', ['worktree', 'add', '--quiet', '--detach', folder, commit], root);
  }
  install(root, folder);
  // The crates that it needs are compiled once for all commits.
  const env = { ...process.env, CARGO_TARGET_DIR: join(root, 'build/against/target') };
  run(process.execPath, ['scripts/build.mjs'], folder, { env });
  mkdirSync(join(folder, 'build'), { recursive: true });
  writeFileSync(join(folder, builtMark), '');
  return { commit, folder };
}

/** The commit of a checkout, and whether files differ from it. */
export function describeCheckout(root = resolve('.')): { readonly commit: string; readonly isChanged: boolean } {
  const commit = commitOf('HEAD', root) ?? 'no commit';
  const { stdout } = spawnSync('git', ['status', '--porcelain', '--untracked-files=no'], {
    cwd: root,
    encoding: 'utf8',
  });
  return { commit, isChanged: (stdout ?? '').trim() !== '' };
}

function commitOf(revision: string, root: string): string | undefined {
  const args = ['rev-parse', '--verify', '--quiet', '--short=9', `${revision}^{commit}`];
  const { status, stdout } = spawnSync('git', args, { cwd: root, encoding: 'utf8' });
  return status === 0 ? stdout.trim() : undefined;
}

/** Packages of the same lock file are copied, others installed. */
function install(root: string, folder: string): void {
  const installed = join(folder, 'node_modules/.package-lock.json');
  if (existsSync(installed)) return;
  const lock = (of: string): string => readFileSync(join(of, 'package-lock.json'), 'utf8');
  if (existsSync(join(root, 'node_modules/.package-lock.json')) && lock(root) === lock(folder)) {
    run('cp', ['-r', '--reflink=auto', join(root, 'node_modules'), folder], root);
  } else run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], folder);
  // The build takes packages that are older than the lock file as those of another one.
  const now = new Date();
  if (existsSync(installed)) utimesSync(installed, now, now);
}

function run(command: string, args: readonly string[], cwd: string, options: SpawnSyncOptions = {}): void {
  const { status, error } = spawnSync(command, args, { cwd, stdio: ['ignore', 2, 2], ...options });
  if (status === 0) return;
  throw new Error(`${command} ${args[0]} failed in ${cwd}${error === undefined ? '' : `: ${error.message}`}`);
}
