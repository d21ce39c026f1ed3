/**
 * A file that the build puts beside the code.
 *
 * @param path from the folder of the distribution on; a folder ends with a slash
 */
export function builtFile(path: string): URL {
  // This file ends up in that folder too, bundled with others, or one beside it, by itself.
  return new URL(`../dist/${path}`, import.meta.url);
}
