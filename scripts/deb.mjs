// The package for Debian, made by dpkg-deb of the package for npm, the addon that was built here, and the blocks of
// docs/guide/production.md.
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { loadProject } from './docs/project.mjs';
import { bashCompletion, manPage, zshCompletion } from './man.mjs';
import { manifestOf, place, stageWhole, version } from './packages.mjs';
import { root, run } from './steps.mjs';
import { stop } from './toolchain.mjs';

const architectures = { x64: 'amd64', arm64: 'arm64' };

/** The program in the package. */
const home = 'usr/lib/mi-httpd';

/** Why there can be no package; undefined where there can. */
export function lacksDebian() {
  if (process.platform !== 'linux' || architectures[process.arch] === undefined)
    return 'it is made on Linux x64 and arm64';
  if (spawnSync('dpkg-deb', ['--version']).status !== 0) return 'dpkg-deb is not installed';
  return undefined;
}

/** Makes build/packages/mi-httpd_VERSION_ARCH.deb. */
export async function makeDebianPackage(main, addon) {
  const tree = join(root, 'build/stages/debian');
  const program = stageWhole(main, addon, 'debian-program');
  mkdirSync(join(tree, dirname(home)), { recursive: true });
  const doc = 'usr/share/doc/mi-httpd';
  for (const name of ['docs', 'examples', 'README.md', 'SECURITY.md', 'CHANGELOG.md']) {
    cpSync(join(program, name), join(tree, doc, name), { recursive: true });
    rmSync(join(program, name), { recursive: true });
  }
  const licences = [join(program, 'LICENSE'), join(program, 'dist/licences.txt')];
  const uws = readdirSync(join(program, 'node_modules')).filter((name) => !name.startsWith('.') && name !== '@uwsjs');
  for (const name of uws) {
    const [file] = readdirSync(join(program, 'node_modules', name)).filter((one) => /^licen[cs]e/i.test(one));
    if (file !== undefined) licences.push(join(program, 'node_modules', name, file));
  }
  const write = (path, text, mode = 0o644) => {
    mkdirSync(dirname(join(tree, path)), { recursive: true });
    writeFileSync(join(tree, path), text, { mode });
  };
  write(`${doc}/copyright`, licences.map((file) => readFileSync(file, 'utf8')).join(`\n${'-'.repeat(72)}\n\n`));
  renameSync(program, join(tree, home));
  mkdirSync(join(tree, 'usr/bin'), { recursive: true });
  symlinkSync(`/${home}/dist/main.js`, join(tree, 'usr/bin/mi-httpd'));
  write('etc/mi-httpd/mi-httpd.cfg', readFileSync(join(root, 'mi-httpd.cfg')));
  write('usr/lib/systemd/system/mi-httpd.service', unit());
  write('etc/logrotate.d/mi-httpd', block('logrotate'));
  const { usage, loadUsage, dumpUsage, passwdUsage, tokenUsage } = await loadProject();
  const texts = [usage, loadUsage, dumpUsage, passwdUsage, tokenUsage];
  const date = new Date().toISOString().slice(0, 10);
  write('usr/share/man/man8/mi-httpd.8.gz', gzipSync(manPage(texts, date), { level: 9 }));
  write('usr/share/bash-completion/completions/mi-httpd', bashCompletion(texts));
  write('usr/share/zsh/vendor-completions/_mi-httpd', zshCompletion(texts));
  for (const name of readdirSync(join(root, 'packaging/debian'))) {
    write(`DEBIAN/${name}`, readFileSync(join(root, 'packaging/debian', name)), 0o755);
  }
  write('DEBIAN/conffiles', '/etc/mi-httpd/mi-httpd.cfg\n/etc/logrotate.d/mi-httpd\n');
  const architecture = architectures[process.arch];
  write('DEBIAN/control', control(architecture));
  chmodSync(join(tree, 'DEBIAN'), 0o755);
  const file = join(place, `mi-httpd_${version}_${architecture}.deb`);
  run('dpkg-deb', ['--root-owner-group', '-Zxz', '--build', tree, file], { stdio: ['ignore', 'ignore', 'inherit'] });
  return file;
}

/** A fenced block of the page on production, which the tests check as it is there. */
function block(language) {
  const page = readFileSync(join(root, 'docs/guide/production.md'), 'utf8');
  return (
    new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\``, 'm').exec(page)?.[1] ??
    stop(`production.md has no ${language}`)
  );
}

/** The unit of that page, with the places of the package, and open to this machine until its owner says more. */
function unit() {
  const changes = [
    [
      'Documentation=file:///opt/mi-httpd/README.md',
      'Documentation=man:mi-httpd(8) file:///usr/share/doc/mi-httpd/README.md',
    ],
    ['/opt/mi-httpd/', `/${home}/`],
    [/^IPAddressAllow=.*$/m, 'IPAddressAllow=localhost'],
  ];
  return changes.reduce((text, [from, to]) => {
    const changed = text.replace(from, to);
    return changed === text ? stop(`the unit of production.md has no ${from}`) : changed;
  }, block('ini'));
}

function control(architecture) {
  return `Package: mi-httpd
Version: ${version}
Architecture: ${architecture}
Maintainer: the authors of mi-httpd <mi-httpd@localhost>
Section: net
Priority: optional
Depends: nodejs (>= 20.19), adduser, libc6 (>= 2.34)
Recommends: logrotate
Description: ${manifestOf(root).description.split(':')[0]}
 Serves the commands of the management interface as JSON-RPC 2.0 and as pages
 for browsers: those of its own modules, and those of running OpenSIPS servers.
`;
}
