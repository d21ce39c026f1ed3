// npm run pack: builds, and leaves in build/packages what can be installed:
//   mi-httpd-VERSION.tgz                            the package as a registry is to have it, without any addon
//   mi-httpd-PLATFORM-VERSION.tgz                   the package that holds the addon of this machine
//   mi-httpd-VERSION-self-contained-PLATFORM.tgz    both in one, which needs no registry that has them
import { relative } from 'node:path';
import { addonHere, beginPackages, packMain, packPlatform, packWhole } from './packages.mjs';
import { buildAddon, buildTypeScript, installDependencies, root, run } from './steps.mjs';
import { requireNode } from './toolchain.mjs';

requireNode();
// npm runs `prepack` before a script of this name, too: an end by a failure leaves package.json as it was.
run(process.execPath, ['scripts/platform-packages.mjs', 'restore']);
installDependencies();
buildAddon();
buildTypeScript();
beginPackages();
const addon = addonHere();
const main = packMain();
for (const path of [main, packPlatform(addon), packWhole(main, addon)]) {
  process.stdout.write(`${relative(root, path)}\n`);
}
