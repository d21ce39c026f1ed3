import { existsSync } from 'node:fs';
import { isAbsolute, resolve } from 'node:path';
import type { ConfigFile } from './config-file.js';
import { diagnosticAt, formatPosition, type Position } from './diagnostic.js';

/** Where a loadmodule statement stands. */
export interface LoadSite {
  readonly at: Position;
  readonly nameAt: Position;
  readonly order: number;
  /** The directory of the file that holds the statement. */
  readonly directory: string;
}

const JAVASCRIPT = /\.[cm]?js$/;

/** Works out which modules a configuration loads, and refuses to load one twice. */
export class ModuleLoader {
  /** The directories of the last mpath statement; names of a user's own modules are looked up in them, in order. */
  directories: readonly string[] = [];
  readonly #config: Pick<ConfigFile, 'modules' | 'errors'>;
  readonly #loaded = new Map<string, Position>();

  constructor(config: Pick<ConfigFile, 'modules' | 'errors'>) {
    this.#config = config;
  }

  /** Adds the module `written` to the configuration, or what is wrong with it to the errors. */
  load(written: string, { at, nameAt, order, directory }: LoadSite): void {
    const isJavaScript = JAVASCRIPT.test(written);
    const path = isJavaScript ? this.#pathOf(written, directory) : undefined;
    if (isJavaScript && path === undefined) {
      const remedy = `write "./${written}" for the directory of this file, or set mpath`;
      const text = `cannot tell where "${written}" is: ${remedy}`;
      this.#config.errors.push(diagnosticAt(nameAt, text));
      return;
    }
    const name = isJavaScript ? written : written.slice(written.lastIndexOf('/') + 1).replace(/\.so$/, '');
    if (name === '') {
      this.#config.errors.push(
        diagnosticAt(nameAt, `"${written}" names no module: give a file name such as "httpd.so"`),
      );
      return;
    }
    const key = path ?? name;
    const earlier = this.#loaded.get(key);
    if (earlier !== undefined) {
      const text = `module "${name}" is loaded already, at ${formatPosition(earlier)}: remove one of the two`;
      this.#config.errors.push(diagnosticAt(nameAt, text));
      return;
    }
    this.#loaded.set(key, at);
    this.#config.modules.push({ name, path, at, order });
  }

  #pathOf(written: string, directory: string): string | undefined {
    if (isAbsolute(written)) return resolve(written);
    if (/^\.\.?\//.test(written)) return resolve(directory, written);
    const candidates = this.directories.map((prefix) => resolve(`${withSlash(prefix)}${written}`));
    return candidates.find((candidate) => existsSync(candidate)) ?? candidates[0];
  }
}

function withSlash(directory: string): string {
  return directory === '' || directory.endsWith('/') ? directory : `${directory}/`;
}
