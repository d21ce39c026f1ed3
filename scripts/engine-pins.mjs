// node scripts/engine-pins.mjs: what src/http/engine/uws/pins.ts and package-lock.json hold of the engine, compared with the registry;
// with --write, written anew. What the registry does not give is told, and what is there for it stays.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root } from './steps.mjs';

/** Of the versions in package.json; 32-bit machines and versions of Node.js that mi-httpd does not run on are left out. */
const platforms = ['linux-x64', 'linux-arm64', 'darwin-x64', 'darwin-arm64', 'win32-x64'];
const majors = { 20.51: [20, 22], 20.69: [22, 24, 26] };

const lockFile = join(root, 'package-lock.json');
const pinFile = join(root, 'src/http/engine/uws/pins.ts');
const lock = JSON.parse(readFileSync(lockFile, 'utf8'));
const before = { lock: readFileSync(lockFile, 'utf8'), pins: readFileSync(pinFile, 'utf8') };
const pins = new Map(
  Array.from(before.pins.matchAll(/^ {2}'(.+@.+)': '([0-9a-f]{64})',$/gm), ([, name, pin]) => [name, pin]),
);

let missing = 0;
const folder = mkdtempSync(join(tmpdir(), 'mi-httpd-engines-'));
try {
  for (const [place, entry] of Object.entries(lock.packages)) {
    const [, target, major] = /node_modules\/@uwsjs\/(.+)-(\d+)$/.exec(place) ?? [];
    if (target === undefined) continue;
    const name = `@uwsjs/${target}-${major}@${entry.version}`;
    const isUsed = platforms.includes(target) && majors[entry.version.replace(/\.\d+$/, '')]?.includes(Number(major));
    try {
      const [{ integrity, filename }] = JSON.parse(
        npm('pack', name, '--json', '--ignore-scripts', '--pack-destination', folder),
      );
      if (entry.integrity !== undefined && entry.integrity !== integrity)
        throw new Error('it is not what the lock file has');
      entry.integrity = integrity;
      const tarball = join(folder, filename.replace('@', '').replace('/', '-'));
      if (isUsed) {
        const binary = execFileSync('tar', ['-xzOf', tarball, 'package/uws.node'], { maxBuffer: 1e8 });
        pins.set(`${target}-${major}@${entry.version}`, createHash('sha256').update(binary).digest('hex'));
      }
      rmSync(tarball);
    } catch (error) {
      missing += 1;
      process.stderr.write(
        `${name}: not fetched, ${/\b(E\d+|it is .*)/.exec(String(error.stderr ?? error))?.[0] ?? error}\n`,
      );
    }
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}

const lines = [...pins].sort().map(([name, pin]) => `  '${name}': '${pin}',\n`);
const after = {
  lock: `${JSON.stringify(lock, inOrder, 2)}\n`,
  pins: before.pins.replace(/(enginePins: [^=]+= \{\n)[^}]*/, (_, head) => head + lines.join('')),
};
if (process.argv[2] === '--write') {
  writeFileSync(lockFile, after.lock);
  writeFileSync(pinFile, after.pins);
}
const isSame = after.lock === before.lock && after.pins === before.pins;
process.stdout.write(`${isSame ? 'as the registry has it' : 'something has changed'}; ${missing} not fetched\n`);
process.exitCode = (isSame || process.argv[2] === '--write') && missing === 0 ? 0 : 1;

function npm(...args) {
  return execFileSync('npm', args, { encoding: 'utf8', stdio: 'pipe', shell: process.platform === 'win32' });
}

/** As npm writes it: the integrity comes behind the version. */
function inOrder(_, value) {
  if (typeof value !== 'object' || value === null || !('version' in value && 'integrity' in value)) return value;
  const { name, version, integrity, ...rest } = value;
  return { ...(name === undefined ? {} : { name }), version, integrity, ...rest };
}
