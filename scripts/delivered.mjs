// Which packages of the lock file are delivered: those that an installation brings, and those within the bundle.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { bundledPackages, root } from './steps.mjs';

/** The packages of the lock file, by their places. */
export const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));

const bundled = withDependencies(bundledPackages);

/** True for a package that is not there for building and testing alone. */
export function isDeliveredPackage(place) {
  return packages[place]?.dev !== true || bundled.has(place);
}

/** Name of a package by its place; that of an alias is the one in the registry. */
export function nameOf(place) {
  return packages[place].name ?? place.replace(/^.*node_modules\//, '');
}

/** Places of packages that are within the bundle, which npm takes for tools: see scripts/steps.mjs. */
function withDependencies(names, found = new Set()) {
  for (const name of names) {
    const place = `node_modules/${name}`;
    if (packages[place] === undefined || found.has(place)) continue;
    found.add(place);
    withDependencies(Object.keys(packages[place].dependencies ?? {}), found);
  }
  return found;
}
