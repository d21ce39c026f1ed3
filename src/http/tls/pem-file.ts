import { readSmallFile } from '../../base/files.js';
import { reasonOf } from '../../base/text.js';

/** Far more than any chain of certificates has; what is larger is something else. */
const largest = 1 << 20;

/** A file with something of TLS in it. */
export interface PemFile {
  readonly text: string;
  /** Its permissions; 0 on Windows, which has others. */
  readonly mode: number;
  /** True when users that are neither the owner nor in the group of the file can read it. */
  readonly isPublic: boolean;
}

/**
 * Reads a file.
 *
 * @param what what it is to hold: `certificate`
 * @param most bytes that it may have
 * @throws Error in one line that names the file and says why it cannot be read
 */
export function readPemFile(what: string, file: string, most = largest): PemFile {
  try {
    const { text, mode } = readSmallFile(file, most);
    return { text, mode, isPublic: (mode & 0o004) !== 0 };
  } catch (error) {
    throw new Error(`${what} ${file}: ${reasonOf(error)}`);
  }
}

/** Other forms of a file: text of Windows, or the binary form. */
export function otherForm(text: string): string {
  if (/^\0?-\0-|^\ufffd\ufffd-?\0/.test(text)) return ', but UTF-16: save it as UTF-8';
  return text.startsWith('0') && text.charCodeAt(1) === 0xfffd
    ? ', but DER, it seems: turn it into PEM with openssl'
    : '';
}
