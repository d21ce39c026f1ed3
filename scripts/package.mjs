// npm run package: what `npm run pack` makes, and beside it in build/packages, as far as the tools are here:
//   the packages of other platforms     that of musl, with rustup and gcc on Linux x64 (--here leaves it)
//   mi-httpd_VERSION_ARCH.deb           the package for Debian, with dpkg-deb
//   mi-httpd-VERSION.cdx.json           what is within all of these (CycloneDX)
//   SHA256SUMS                          of all of these
// What is left out is told with its reason.
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { lacksDebian, makeDebianPackage } from './deb.mjs';
import { buildForMusl, lacksMusl, target, unpackMusl } from './musl.mjs';
import { addonHere, packPlatform, place, version } from './packages.mjs';
import { billOfMaterials } from './sbom.mjs';
import { root, run } from './steps.mjs';

run(process.execPath, ['scripts/pack.mjs']);
const main = join(place, `mi-httpd-${version}.tgz`);

async function unlessLacking(what, lacking, make) {
  if (lacking === undefined) await make();
  else process.stdout.write(`${what}: left out, ${lacking}\n`);
}

await unlessLacking('linux-x64-musl', process.argv.includes('--here') ? '--here was given' : lacksMusl(), () => {
  const folder = join(root, 'build/musl');
  packPlatform({ platform: 'linux-x64-musl', path: buildForMusl(folder, unpackMusl(folder)), target });
});
await unlessLacking('the package for Debian', lacksDebian(), async () => {
  await makeDebianPackage(main, addonHere());
});
writeFileSync(join(place, `mi-httpd-${version}.cdx.json`), billOfMaterials());
const sums = readdirSync(place)
  .sort()
  .map(
    (name) =>
      `${createHash('sha256')
        .update(readFileSync(join(place, name)))
        .digest('hex')}  ${name}\n`,
  );
writeFileSync(join(place, 'SHA256SUMS'), sums.join(''));
process.stdout.write(sums.join(''));
