import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { coded } from './codes.js';

interface Manifest {
  readonly name: string;
  readonly version: string;
}

/**
 * Folder of the package: the nearest one above this file that has a package.json. In the bundle of another program that is the
 * program's own; then the one that is installed beside it, with the addon, the engine and what browsers are given.
 */
const packageFolder = ownFolder(nearestPackage(new URL('.', import.meta.url)));

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

function ownFolder(nearest: URL): URL {
  if (manifestOf(nearest).name === 'mi-httpd') return nearest;
  try {
    return new URL('.', pathToFileURL(createRequire(import.meta.url).resolve('mi-httpd/package.json')));
  } catch (cause) {
    const remedy = 'install it beside the bundle, or leave it out of the bundle (external)';
    throw coded(
      'ERR_INSTALLATION',
      new Error(`mi-httpd is part of a bundle, and its addon is not there: ${remedy}`, { cause }),
    );
  }
}

function manifestOf(folder: URL): Manifest {
  return JSON.parse(readFileSync(new URL('package.json', folder), 'utf8')) as Manifest;
}

const { version } = manifestOf(packageFolder);

/** Name and version, as the MI command `version` and `mi-httpd -V` tell them. */
export const packageInfo = { name: 'mi-httpd', version } as const;
