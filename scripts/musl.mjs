// The addon for musl, built on a machine with glibc: Linux on x64 with rustup and gcc.
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { unpackDebian } from './debian.mjs';
import { root, run } from './steps.mjs';

export const target = 'x86_64-unknown-linux-musl';

/** The libraries of musl, its headers, and a shell, as Debian has them; gives their folder. */
export function unpackMusl(place) {
  return unpackDebian(join(place, 'debian'), ['musl', 'musl-dev', 'busybox-static']);
}

/** Why the addon for musl cannot be built here; undefined where it can. */
export function lacksMusl() {
  if (process.platform !== 'linux' || process.arch !== 'x64') return 'it is built on Linux x64';
  const installed = spawnSync('rustup', ['target', 'list', '--installed'], { cwd: root, encoding: 'utf8' });
  if (installed.status !== 0) return 'rustup is not installed';
  if (!installed.stdout.includes(target)) return `rustup has no ${target} (rustup target add ${target})`;
  for (const [program, option] of [
    ['gcc', '--version'],
    ['apt-get', '--version'],
    ['dpkg-deb', '--version'],
  ])
    if (spawnSync(program, [option]).status !== 0) return `${program} is not installed`;
  return undefined;
}

/** Gives the path of the library. A library is linked dynamically, other than programs for musl; the unwinder goes into it. */
export function buildForMusl(place, files) {
  const libraries = join(files, 'usr/lib/x86_64-linux-musl');
  run('rustup', ['target', 'add', target]);
  const sysroot = execFileSync('rustc', ['--print', 'sysroot'], { cwd: root, encoding: 'utf8' }).trim();
  const unwinder = join(sysroot, 'lib/rustlib', target, 'lib/self-contained/libunwind.a');
  const linker = join(place, 'musl-gcc');
  const words = `for word; do shift; [ "$word" = -lgcc_s ] && word='${unwinder}'; set -- "$@" "$word"; done`;
  writeFileSync(linker, `#!/bin/sh\n${words}\nexec gcc -nostdlib -L'${libraries}' "$@" -lgcc\n`);
  const compiler = join(place, 'musl-cc');
  const include = join(files, 'usr/include/x86_64-linux-musl');
  const headers = `-nostdinc -isystem '${include}' -isystem "$(gcc -print-file-name=include)"`;
  writeFileSync(compiler, `#!/bin/sh\nexec gcc ${headers} "$@"\n`);
  for (const script of [linker, compiler]) chmodSync(script, 0o755);
  const targetFolder = process.env.CARGO_TARGET_DIR ?? join(root, 'target');
  run('cargo', ['build', '--release', '--locked', '--target', target, '--manifest-path', 'crate/node/Cargo.toml'], {
    env: {
      ...process.env,
      CARGO_TARGET_DIR: targetFolder,
      CC_x86_64_unknown_linux_musl: compiler,
      CARGO_TARGET_X86_64_UNKNOWN_LINUX_MUSL_LINKER: linker,
      CARGO_TARGET_X86_64_UNKNOWN_LINUX_MUSL_RUSTFLAGS: '-C target-feature=-crt-static -C linker-flavor=gcc',
    },
  });
  return join(targetFolder, target, 'release/libmi_httpd_node.so');
}
