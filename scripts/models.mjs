// node scripts/models.mjs [--miri]: tries what threads see of a shared record table in each order that the memory model allows
// (loom). With --miri it runs the tests of tables in miri instead, which finds undefined behaviour, also in dependencies.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { root, run } from './steps.mjs';

if (process.argv.includes('--miri')) {
  const found = spawnSync('cargo', ['+nightly', 'miri', '--version'], { cwd: root }).status === 0;
  if (found) {
    const env = { ...process.env, MIRIFLAGS: '-Zmiri-disable-isolation' };
    const options = ['--locked', '--no-default-features', '--target-dir', join(root, 'build/miri')];
    for (const tests of [
      ['--lib', 'table::'],
      ['--test', 'shared_table'],
    ]) {
      run('cargo', ['+nightly', 'miri', 'test', '-p', 'mi-httpd-core', ...options, ...tests], { cwd: root, env });
    }
  } else {
    process.stdout.write(
      'miri: skipped, no nightly Rust has it (rustup component add miri rust-src --toolchain nightly)\n',
    );
  }
} else {
  const options = ['--release', '--locked', '--target-dir', join(root, 'build/models')];
  run('cargo', ['test', ...options], { cwd: join(root, 'crate/models') });
}
