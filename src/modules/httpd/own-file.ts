import { resolve } from 'node:path';

/**
 * Where lines belong that only mi-httpd knows. OpenSIPS before 4.0 does not start with a parameter that it does not know, so
 * that no advice may lead into a file that both read.
 *
 * @param configFiles files that the configuration was read from, the top one first
 */
export function ownFile([read]: readonly string[]): string {
  const path = read === undefined || read.startsWith('<') ? '/etc/opensips/opensips.cfg' : resolve(read);
  return (
    `in a file of its own, /etc/mi-httpd/mi-httpd.cfg; if OpenSIPS reads ${path}, which it would not with such a line, ` +
    `let the new file begin with the line include_file "${path}"`
  );
}
