import { dirname, resolve } from 'node:path';
import { readBounded, UnreadableError } from '../base/read-file.js';
import type { ConfigFile } from './config-file.js';
import { flatten, maxSourceBytes } from './source.js';
import { StatementReader } from './statement-reader.js';

export type { ConfigFile, LoadModule } from './config-file.js';

/** The top file cannot be read; the message is one line with the file and the reason. */
export class ConfigReadError extends Error {
  override readonly name = 'ConfigReadError';
}

/** Where a text given to parseConfig comes from. */
export interface ParseOptions {
  /** The name that diagnostics use; `<text>` when left out. */
  readonly file?: string;
  /** Where relative includes and `./` modules are looked for; the directory of `file`, else the working directory. */
  readonly directory?: string;
}

/**
 * Reads a configuration file with its includes; `-` is standard input. Of the file, the statements loadmodule, modparam
 * and mpath and some globals are read, and the rest is skipped. What is wrong in it is in `errors`: a missing include
 * before all else (nothing is read then), a syntax error last, because reading stops there.
 * Throws a ConfigReadError when the file itself cannot be read.
 */
export function readConfig(path: string): ConfigFile {
  const stdin = path === '-';
  const file = stdin ? '<stdin>' : path;
  let bytes: Buffer;
  try {
    bytes = readBounded(stdin ? undefined : path, maxSourceBytes);
  } catch (error) {
    if (!(error instanceof UnreadableError)) throw error;
    throw new ConfigReadError(`cannot read the configuration file ${file}: ${error.message}`);
  }
  return parse(bytes, file, stdin ? process.cwd() : dirname(resolve(path)));
}

/** Reads a configuration from a text, as readConfig does from a file. */
export function parseConfig(text: string | Uint8Array, options: ParseOptions = {}): ConfigFile {
  const { file = '<text>', directory = dirname(resolve(options.file ?? '_')) } = options;
  return parse(typeof text === 'string' ? Buffer.from(text) : text, file, resolve(directory));
}

function parse(bytes: Uint8Array, file: string, directory: string): ConfigFile {
  const { source, errors, notices, files } = flatten(bytes, file, directory);
  if (errors.length > 0) return { modules: [], parameters: [], globals: new Map(), errors, notices, files };
  return { ...new StatementReader(source).read(), notices, files };
}
