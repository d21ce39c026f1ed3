import { closeSync, openSync, realpathSync, unlinkSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';

/** One way to write where a file is, or would be made: links are followed as far as there are any. */
export function realPath(file: string): string {
  const path = resolve(file);
  for (const attempt of [() => realpathSync(path), () => join(realpathSync(dirname(path)), basename(path))]) {
    try {
      return attempt();
    } catch {
      // Not there (yet).
    }
  }
  return path;
}

/**
 * Makes a file in a folder and removes it again: the permissions alone do not tell, as root has all of them under /proc too.
 * @throws the error of the system
 */
export function tryFolder(folder: string): void {
  const trial = join(folder, `.mi-httpd.${process.pid}.try`);
  try {
    closeSync(openSync(trial, 'wx', 0o600));
  } catch (error) {
    if (error instanceof Error) error.message = error.message.replace(trial, folder);
    throw error;
  }
  unlinkSync(trial);
}
