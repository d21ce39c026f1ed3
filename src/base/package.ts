import { existsSync, readFileSync } from 'node:fs';
import { coded } from './codes.js';

/** Folder of the package: the nearest one above this file, bundled or not, that has a package.json. */
const packageFolder = nearestPackage(new URL('.', import.meta.url));

/** A file of the package; `path` is relative to its folder, and ends with a slash for a folder. */
export function packageFile(path: string): URL {
  return new URL(path, packageFolder);
}

function nearestPackage(folder: URL): URL {
  if (existsSync(new URL('package.json', folder))) return folder;
  const above = new URL('..', folder);
  if (above.href === folder.href)
    throw coded(
      'ERR_INSTALLATION',
      new Error(`no package.json in ${import.meta.url} or above; install mi-httpd again`),
    );
  return nearestPackage(above);
}

const { version } = JSON.parse(readFileSync(packageFile('package.json'), 'utf8')) as {
  version: string;
};

/** Name and version, as the MI command `version` and `mi-httpd -V` tell them. */
export const packageInfo = { name: 'mi-httpd', version } as const;
