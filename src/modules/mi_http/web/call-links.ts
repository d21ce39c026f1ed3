import type { Submitted } from './arguments.js';

/** Longest link and line that are offered: heads of requests are limited. */
const longestLink = 3000;
const longestLine = 16384;

/**
 * The link to a result as JSON, by the page's own path.
 * @returns undefined when the parameters are too long for it
 */
export function rawLink(path: string, { given }: Submitted): string | undefined {
  const arg = given === undefined ? '' : encodeURIComponent(JSON.stringify(given));
  return arg.length > longestLink ? undefined : `${path}?arg=${arg}&raw=1`;
}

/**
 * A call as a line for a shell.
 * @returns undefined when it would be too long to copy
 */
export function curlLine(url: string, method: string, { given }: Submitted): string | undefined {
  const call = JSON.stringify({ jsonrpc: '2.0', method, params: given, id: 1 });
  if (call.length > longestLine) return undefined;
  return `curl -H 'Content-Type: application/json' -d ${shellQuoted(call)} ${shellQuoted(url)}`;
}

/** Within single quotes a shell takes everything as it is, save the quote itself. */
function shellQuoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
