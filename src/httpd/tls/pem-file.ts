import { readFileSync, statSync } from 'node:fs';

/** Far more than any chain of certificates has; what is larger is something else. */
const largest = 1 << 20;

const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  ENOTDIR: 'there is no such file',
  EACCES: 'it cannot be read: no permission',
  EPERM: 'it cannot be read: no permission',
  ELOOP: 'it is a symbolic link that leads to itself',
};

/** A file with something of TLS in it. */
export interface PemFile {
  readonly text: string;
  /** Whether users that are neither the owner nor in the group of the file can read it. */
  readonly isPublic: boolean;
}

/**
 * Reads a file of at most 1 MiB.
 *
 * @param what what it is to hold: `certificate`
 * @throws Error in one line that names the file and says why it cannot be read
 */
export function readPemFile(what: string, file: string): PemFile {
  try {
    // Never open what might block, such as a pipe.
    const status = statSync(file);
    if (!status.isFile()) throw new Error(`it is ${status.isDirectory() ? 'a directory' : 'no regular file'}`);
    if (status.size > largest) throw new Error(`it has ${status.size} bytes, and at most ${largest} are read`);
    const text = readFileSync(file, 'utf8');
    return { text, isPublic: process.platform !== 'win32' && (status.mode & 0o004) !== 0 };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new Error(`${what} ${file}: ${code === undefined ? message : (reasons[code] ?? message)}`);
  }
}
