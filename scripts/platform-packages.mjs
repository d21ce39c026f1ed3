// The packages that hold the addon's binaries, one for each platform, as napi-rs lays them out.
//   declare   adds them to package.json as optional dependencies, for the tarball (npm runs it before it packs)
//   restore   takes that back
// They are not in package.json all the time: `npm ci` refuses packages that the lock file cannot know before
// they are published.
import { copyFileSync, existsSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const manifest = join(root, 'package.json');
const kept = join(root, 'package.json.unpacked');

const actions = {
  declare() {
    if (existsSync(kept)) return;
    copyFileSync(manifest, kept);
    const declared = JSON.parse(readFileSync(manifest, 'utf8'));
    const names = readdirSync(join(root, 'npm')).sort();
    declared.optionalDependencies = Object.fromEntries(names.map((name) => [`mi-httpd-${name}`, declared.version]));
    writeFileSync(manifest, `${JSON.stringify(declared, undefined, 2)}\n`);
  },
  restore() {
    if (existsSync(kept)) renameSync(kept, manifest);
  },
};

const action = actions[process.argv[2]];
if (action === undefined) throw new Error('usage: platform-packages.mjs declare|restore');
action();
