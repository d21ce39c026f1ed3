import { closeSync, openSync, readFileSync, readSync, realpathSync, statSync, unlinkSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { coded, type ErrorCode } from './codes.js';
import { reasonOf } from './text.js';

/** A file cannot be read whole; the message is the reason alone, without the name of the file. */
export class UnreadableError extends Error {
  override readonly name = 'UnreadableError';
  readonly code: ErrorCode = 'ERR_FILE';
  /** True if the file does not exist. */
  readonly isMissing: boolean;

  constructor(message: string, isMissing = false) {
    super(message);
    this.isMissing = isMissing;
  }
}

const standardInput = 0;
const chunkSize = 65536;
const retryMilliseconds = 10;

/**
 * Reads a file of `most` bytes at most; undefined as path is standard input. A pipe is read to its end. A device or a
 * file without end is given up once it is over the limit. Throws an UnreadableError with the reason.
 */
export function readBounded(path: string | Buffer | undefined, most: number): Buffer {
  let descriptor = standardInput;
  try {
    if (path !== undefined) descriptor = openSync(path, 'r');
  } catch (error) {
    const code = codeOf(error);
    throw new UnreadableError(readProblemOf(error), code === 'ENOENT' || code === 'ENOTDIR');
  }
  try {
    return readToEnd(descriptor, most);
  } finally {
    if (path !== undefined) closeSync(descriptor);
  }
}

function readToEnd(descriptor: number, most: number): Buffer {
  const chunks: Buffer[] = [];
  let total = 0;
  for (;;) {
    const chunk = Buffer.allocUnsafe(chunkSize);
    const length = readChunk(descriptor, chunk);
    if (length === 0) return Buffer.concat(chunks, total);
    total += length;
    if (total > most) throw new UnreadableError(tooLarge(most));
    chunks.push(chunk.subarray(0, length));
  }
}

function readChunk(descriptor: number, chunk: Buffer): number {
  for (;;) {
    try {
      return readSync(descriptor, chunk);
    } catch (error) {
      const code = codeOf(error);
      if (code === 'EOF') return 0;
      if (code !== 'EAGAIN') throw new UnreadableError(readProblemOf(error));
      // standard input that another process made non-blocking has nothing to read yet
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, retryMilliseconds);
    }
  }
}

/** The reason for a configuration of more than `most` bytes, the same for one file and for all includes together. */
export function tooLarge(most: number): string {
  return `the configuration with its includes is larger than ${most} bytes: remove what does not belong in it`;
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

function readProblemOf(error: unknown): string {
  const code = codeOf(error);
  if (code === 'ENOENT') return 'no such file (ENOENT)';
  if (code === 'EACCES') return 'no permission to read it (EACCES)';
  if (code === 'EISDIR') return 'it is a directory, not a file (EISDIR)';
  return code ?? reasonOf(error);
}

const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  ENOTDIR: 'there is no such file',
  EACCES: 'the user that the server runs as has no permission to read it',
  EPERM: 'the user that the server runs as has no permission to read it',
  ELOOP: 'it is a symbolic link that leads to itself',
};

/** A file that was read whole. */
export interface SmallFile {
  readonly text: string;
  /** Its permissions; 0 on Windows, which has others. */
  readonly mode: number;
}

/**
 * Reads a text file of at most `most` bytes. A pipe or a device is rejected unopened: to open one may block.
 *
 * @throws Error with the reason alone
 */
export function readSmallFile(file: string, most: number): SmallFile {
  try {
    const status = statSync(file);
    if (!status.isFile())
      throw coded('ERR_FILE', new Error(`it is ${status.isDirectory() ? 'a directory' : 'no regular file'}`));
    if (status.size > most)
      throw coded('ERR_FILE', new Error(`it has ${status.size} bytes, and at most ${most} are read`));
    const text = readFileSync(file, 'utf8');
    return { text, mode: process.platform === 'win32' ? 0 : status.mode };
  } catch (error) {
    throw coded('ERR_FILE', new Error(reasons[codeOf(error) ?? ''] ?? reasonOf(error)));
  }
}

/** Says who else may write to a file of such permissions, and the argument of chmod that ends it; undefined: its owner alone. */
export function othersWrite(mode: number): { readonly who: string; readonly remedy: string } | undefined {
  if ((mode & 0o022) === 0) return undefined;
  return (mode & 0o002) === 0
    ? { who: 'its group', remedy: 'g-w' }
    : { who: 'everybody on this machine', remedy: 'go-w' };
}

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
