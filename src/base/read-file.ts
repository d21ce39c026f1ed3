import { closeSync, openSync, readSync } from 'node:fs';

/** A file cannot be read whole; the message is the reason alone, without the name of the file. */
export class UnreadableError extends Error {
  override readonly name = 'UnreadableError';
  /** Whether there is no such file. */
  readonly isMissing: boolean;

  constructor(message: string, isMissing = false) {
    super(message);
    this.isMissing = isMissing;
  }
}

const STDIN = 0;
const CHUNK = 65536;
const RETRY_MS = 10;

/**
 * Reads a file of `most` bytes at most; undefined as path is standard input. A pipe is read to its end. A device or a
 * file without end is given up once it is over the limit. Throws an UnreadableError with the reason.
 */
export function readBounded(path: string | Buffer | undefined, most: number): Buffer {
  let descriptor = STDIN;
  try {
    if (path !== undefined) descriptor = openSync(path, 'r');
  } catch (error) {
    const code = codeOf(error);
    throw new UnreadableError(reasonOf(error), code === 'ENOENT' || code === 'ENOTDIR');
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
    const chunk = Buffer.allocUnsafe(CHUNK);
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
      if (code !== 'EAGAIN') throw new UnreadableError(reasonOf(error));
      // standard input that another process made non-blocking has nothing to read yet
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETRY_MS);
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

function reasonOf(error: unknown): string {
  const code = codeOf(error);
  if (code === 'ENOENT') return 'no such file (ENOENT)';
  if (code === 'EACCES') return 'no permission to read it (EACCES)';
  if (code === 'EISDIR') return 'it is a directory, not a file (EISDIR)';
  return code ?? (error instanceof Error ? error.message : String(error));
}
