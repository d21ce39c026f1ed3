// The packages that hold the addon's binaries, one for each platform, as napi-rs lays them out below npm/.
//   declare   adds them to package.json as optional dependencies, for the tarball (npm runs it before it packs), and leaves out
//             the addon that was built here, which `npm install --install-links` of a clone takes along
//   restore   takes that back
// They are not in package.json all the time: `npm ci` refuses packages that the lock file cannot know before
// they are published.
import { readdirSync, readFileSync, renameSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const manifest = join(root, 'package.json');
const declaration = /\n {2}"optionalDependencies": \{\n(?: {4}"mi-httpd-[^\n]*\n)+ {2}\},/;
const builtHere = '\n    "native/*.node",';
const binding = '\n    "native/binding.js",';
const successor = '\n  "devDependencies": {';

const actions = {
  declare(text) {
    const { version } = JSON.parse(text);
    if (!text.includes(successor))
      throw new Error('package.json has no devDependencies to declare the packages before');
    const lines = readdirSync(join(root, 'npm'))
      .sort()
      .map((name) => `    "mi-httpd-${name}": "${version}"`);
    const block = `\n  "optionalDependencies": {\n${lines.join(',\n')}\n  },`;
    return actions.restore(text).replace(successor, `${block}${successor}`).replace(builtHere, '');
  },
  // As text, so that not one byte is left changed, also when an earlier pack broke off.
  restore(text) {
    const plain = text.replace(declaration, '');
    return plain.includes(builtHere) ? plain : plain.replace(binding, `${binding}${builtHere}`);
  },
};

const action = actions[process.argv[2]];
if (action === undefined) throw new Error('usage: platform-packages.mjs declare|restore');
rewrite(action(readFileSync(manifest, 'utf8')));

/** At once, and with the old time: what is built from package.json stays up to date. */
function rewrite(text) {
  const { atime, mtime } = statSync(manifest);
  const next = `${manifest}.next`;
  writeFileSync(next, text);
  utimesSync(next, atime, mtime);
  renameSync(next, manifest);
}
