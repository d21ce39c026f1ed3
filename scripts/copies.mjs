// Copies of the checkout, each with an installation of its own.
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './steps.mjs';
import { stop } from './toolchain.mjs';

export const quietNpm = ['--no-audit', '--no-fund', '--loglevel=error'];

/** Files that are committed or would be: the working tree without anything built or installed. */
export function copyCheckout(checkout) {
  const args = ['ls-files', '--cached', '--others', '--exclude-standard', '-z'];
  const { status, stdout } = spawnSync('git', args, { cwd: root, encoding: 'utf8' });
  if (status !== 0) stop('git ls-files fails, and tells which files to copy; run this in a git checkout');
  rmSync(checkout, { recursive: true, force: true });
  for (const file of stdout.split('\0')) {
    // A file that was removed but not committed yet is still listed.
    if (file === '' || !existsSync(join(root, file))) continue;
    cpSync(join(root, file), join(checkout, file), { preserveTimestamps: true });
  }
}

/** Without the variables that npm gives the scripts of this project: an inner npm would take them for its own. */
export function outerEnvironment() {
  const inner = /^(npm_package_|npm_lifecycle_|npm_config_local_prefix$|npm_command$|INIT_CWD$)/;
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !inner.test(name)));
}
