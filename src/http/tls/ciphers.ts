import { isOpensslList, readOpensslList } from './openssl-list.js';
import { readPriority } from './priority.js';
import type { CipherList } from './suites.js';

/** The default of OpenSIPS: TLS 1.2 with the strong suites. */
export const defaultCiphers = 'SECURE256:+SECURE192:-VERS-ALL:+VERS-TLS1.2';

/**
 * Reads what TLS is to be served with: a GnuTLS priority string, as OpenSIPS takes it, or a list as OpenSSL has it.
 *
 * @throws RangeError in one line that says what is wrong with it
 */
export function readCiphers(text: string): CipherList {
  const trimmed = text.trim();
  if (trimmed === '') {
    throw new RangeError(`it is empty: give a GnuTLS priority string, such as ${defaultCiphers}, or leave it out`);
  }
  return isOpensslList(trimmed) ? readOpensslList(trimmed) : readPriority(trimmed);
}

/** Says what is wrong with such a text, undefined when nothing is. */
export function ciphersProblem(text: string): string | undefined {
  try {
    readCiphers(text);
    return undefined;
  } catch (error) {
    if (error instanceof RangeError) return error.message;
    throw error;
  }
}

/** Tells in one line which part of such a text the engine cannot do; undefined when it can do all. */
export function ciphersNotice(text: string): string | undefined {
  const { unmet } = readCiphers(text);
  return unmet.length === 0 ? undefined : `tls_ciphers ${JSON.stringify(text)}: ${unmet.join('; ')}`;
}
