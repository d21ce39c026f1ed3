import { existsSync } from 'node:fs';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import { readBounded, tooLarge, UnreadableError } from '../base/files.js';
import { type Diagnostic, diagnosticAt, type Position, type Remark } from './config-file.js';
import { decodeUtf8 } from './lexer.js';

/** The most bytes of a configuration, includes counted each time, so that a mistaken include cannot eat the memory. */
export const maxSourceBytes = 16 * 1024 * 1024;

/** How deep includes may nest; the top file is at depth 0. */
const maxIncludeDepth = 50;

const includeLine = /^[ \t\b\r]*(include_file|import_file)[ \t\b\r]*(?:"([^"]*)"|'([^']*)')/d;
// a path cannot be longer than this on any system
const longestInclude = 8192;
const slash = Buffer.from('/');
const continuationBytes = /[\x80-\xbf]+/g;
const byteOrderMark = '\xef\xbb\xbf';
// a byte order mark of UTF-16, or ASCII with a NUL beside each of the first letters
const UTF_16 = /^(?:\xff\xfe|\xfe\xff|(?:[^\0]\0){2}|(?:\0[^\0]){2})/;
const UTF_16_PROBLEM =
  'the file is UTF-16, and the language of OpenSIPS is bytes: save it as UTF-8, as with iconv -f UTF-16 -t UTF-8';

interface OriginFile {
  readonly name: string;
  readonly directory: string;
  /** The same in the bytes of the file system, which need not be UTF-8. */
  readonly directoryBytes: Buffer;
}

interface Origin {
  readonly start: number;
  readonly file: OriginFile;
  readonly line: number;
}

/** A configuration with its includes put in place, each byte one character, and where each line of it comes from. */
export class Source {
  readonly text: string;
  readonly #origins: readonly Origin[];

  constructor(text: string, origins: readonly Origin[]) {
    this.text = text;
    this.#origins = origins;
  }

  /** Where the byte at `offset` stands in the file it comes from; columns count UTF-8 characters. */
  positionAt(offset: number): Position {
    const { start, file, line } = this.#originAt(offset);
    return { file: file.name, line, column: columnAt(this.text.slice(start, offset), offset - start) };
  }

  /** The directory of the file that the byte at `offset` comes from. */
  directoryAt(offset: number): string {
    return this.#originAt(offset).file.directory;
  }

  #originAt(offset: number): Origin {
    let low = 0;
    let high = this.#origins.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#origins[middle]?.start ?? 0) <= offset) low = middle;
      else high = middle - 1;
    }
    return (
      this.#origins[low] ?? { start: 0, file: { name: '', directory: '', directoryBytes: Buffer.alloc(0) }, line: 1 }
    );
  }
}

/** A configuration with its includes in place. With errors, an include is missing and `source` is incomplete. */
export interface Flattened {
  readonly source: Source;
  readonly errors: Diagnostic[];
  /** Files to import that are not there. */
  readonly notices: Remark[];
  readonly files: string[];
}

/**
 * Puts included files in the place of their include lines. Such a line is seen before anything else, so it works within
 * comments and blocks too; what follows the quoted path on the line is dropped. A path is absolute, or relative to the
 * working directory when the file is there, or relative to the directory of the including file.
 */
export function flatten(top: Uint8Array, name: string, directory: string): Flattened {
  return new Flattener().run(top, { name, directory, directoryBytes: Buffer.from(directory) });
}

/** Includes nest too deep or are too large together: going on could take for ever. */
class FlattenStop extends Error {}

class Flattener {
  readonly #pieces: string[] = [];
  readonly #origins: Origin[] = [];
  readonly #errors: Diagnostic[] = [];
  readonly #notices: Remark[] = [];
  readonly #files = new Set<string>();
  #length = 0;
  #bytesRead = 0;

  run(top: Uint8Array, file: OriginFile): Flattened {
    this.#bytesRead = top.length;
    this.#files.add(file.name);
    try {
      this.#addFile(latin1(top), file, 0);
    } catch (error) {
      if (!(error instanceof FlattenStop)) throw error;
    }
    const source = new Source(this.#pieces.join(''), this.#origins);
    return { source, errors: this.#errors, notices: this.#notices, files: [...this.#files] };
  }

  #addFile(text: string, file: OriginFile, depth: number): void {
    if (UTF_16.test(text)) {
      this.#errors.push(diagnosticAt('ERR_CONFIG_FILE', { file: file.name, line: 1, column: 1 }, UTF_16_PROBLEM));
      return;
    }
    let start = text.startsWith(byteOrderMark) ? byteOrderMark.length : 0;
    for (let line = 1; ; line++) {
      const newline = text.indexOf('\n', start);
      const last = newline === -1;
      const content = text.slice(start, last ? text.length : newline + 1);
      const include = includeLine.exec(content.slice(0, longestInclude));
      if (include === null) this.#addLine(content, file, line);
      else this.#include(include, file, line, depth);
      if (last) {
        if (include !== null) this.#addLine('', file, line);
        return;
      }
      start = newline + 1;
    }
  }

  #addLine(content: string, file: OriginFile, line: number): void {
    this.#origins.push({ start: this.#length, file, line });
    this.#pieces.push(content);
    this.#length += content.length;
  }

  #include(match: RegExpExecArray, file: OriginFile, line: number, depth: number): void {
    const quoteAt = (match.indices?.[2] ?? match.indices?.[3] ?? [1, 1])[0] - 1;
    const at = { file: file.name, line, column: columnAt(match[0], quoteAt) };
    const writtenBytes = Buffer.from(match[2] ?? match[3] ?? '', 'latin1');
    const written = decodeUtf8(writtenBytes) ?? writtenBytes.toString('latin1');
    if (written === '' || written.includes('\0')) {
      this.#errors.push(
        diagnosticAt('ERR_CONFIG_FILE', at, 'the path to include is empty or has a NUL in it: name a file'),
      );
      return;
    }
    if (depth >= maxIncludeDepth) {
      const reason = `includes nest deeper than ${maxIncludeDepth}; does a file include itself?`;
      this.#errors.push(diagnosticAt('ERR_CONFIG_FILE', at, `cannot include "${written}": ${reason}`));
      throw new FlattenStop();
    }
    const isFound = isAbsolute(written) || existsSync(writtenBytes);
    const path = isFound ? written : join(file.directory, written);
    const pathBytes = isFound ? writtenBytes : Buffer.concat([file.directoryBytes, slash, writtenBytes]);
    let bytes: Buffer;
    try {
      bytes = readBounded(pathBytes, maxSourceBytes);
    } catch (error) {
      if (!(error instanceof UnreadableError)) throw error;
      const tried = path === written ? '' : ` (looked for in the working directory and as "${path}")`;
      if (match[1] === 'import_file' && error.isMissing) {
        this.#notices.push({ ...at, text: `import_file "${written}" is passed over${tried}: ${error.message}` });
        return;
      }
      this.#errors.push(diagnosticAt('ERR_CONFIG_FILE', at, `cannot include "${written}"${tried}: ${error.message}`));
      return;
    }
    this.#bytesRead += bytes.length;
    if (this.#bytesRead > maxSourceBytes) {
      this.#errors.push(
        diagnosticAt('ERR_CONFIG_FILE', at, `cannot include "${written}": ${tooLarge(maxSourceBytes)}`),
      );
      throw new FlattenStop();
    }
    this.#files.add(path);
    const included = { name: path, directory: dirname(resolve(path)), directoryBytes: directoryOf(pathBytes) };
    this.#addFile(latin1(bytes), included, depth + 1);
    // a last line without a newline must not join the line after the include
    this.#pieces.push('\n');
    this.#length += 1;
  }
}

function directoryOf(path: Buffer): Buffer {
  const end = path.lastIndexOf(slash);
  return end < 0 ? Buffer.from('.') : path.subarray(0, Math.max(1, end));
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}

/** No loop of ours: it would be worth compiling to V8, whose compiler leaves 3.5 MB in memory for a server that is idle. */
function columnAt(line: string, length: number): number {
  return line.slice(0, length).replace(continuationBytes, '').length + 1;
}
