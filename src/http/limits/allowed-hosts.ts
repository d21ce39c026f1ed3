import { isIP } from 'node:net';
import { splitHostPort } from '../../base/address.js';
import { shorten } from '../../base/text.js';

/**
 * Which Host headers (RFC 9110 §7.2) a browser may come with. A page of somebody else whose name is made to resolve to
 * this server (DNS rebinding) counts as same-origin to the browser, and only its Host header gives it away. Addresses
 * cannot be rebound, and `localhost` is resolved by no server (RFC 6761 §6.3).
 */
export class AllowedHosts {
  readonly #names: ReadonlySet<string>;

  /** @param list names parted by commas or blanks, without ports, in any case */
  constructor(list: string) {
    this.#names = new Set(
      list
        .toLowerCase()
        .split(/[\s,]+/)
        .filter((name) => name !== ''),
    );
  }

  /**
   * By a Unix socket no name is resolved, so that any Host will do.
   *
   * @returns why the Host header of a request is refused; undefined when it is not
   */
  refusal(request: { readonly isUnix: boolean; header(name: 'host'): string | undefined }): string | undefined {
    return request.isUnix ? undefined : this.hostRefusal(request.header('host'));
  }

  hostRefusal(host: string | undefined): string | undefined {
    const name = nameOf((host ?? '').toLowerCase());
    if (name !== undefined && name !== '') {
      const isKnown = isIP(name) !== 0 || name === 'localhost' || name.endsWith('.localhost');
      if (isKnown || this.#names.has(name)) return undefined;
    }
    const shown = JSON.stringify(shorten(host ?? '', 100));
    return (
      `host ${shown} is neither an address nor localhost, and is not among allowed_hosts; ` +
      'if this server is meant to have this name, add it, in a file that only mi-httpd reads: modparam("httpd", "allowed_hosts", "NAME")'
    );
  }
}

/**
 * Says what is wrong with a list of names, undefined when nothing is: one that no Host header can have would protect
 * nothing, and let nobody in.
 */
export function allowedHostsProblem(list: string): string | undefined {
  if (list.replaceAll(',', '').trim() === '') return 'it is empty: give names, or remove the line';
  for (const name of list.split(/[\s,]+/).filter((item) => item !== '')) {
    const problem = nameProblem(name);
    if (problem !== undefined) return `${JSON.stringify(name)} ${problem}`;
  }
  return undefined;
}

function nameProblem(name: string): string | undefined {
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(name)) return 'is a URL: give the name alone';
  // Always allowed, so that it does no harm.
  if (isIP(name.replace(/^\[|\]$/g, '')) !== 0) return undefined;
  if (name.includes(':')) return 'has a port: give the name alone, it goes for every port';
  if (name.includes('*')) return 'has a "*": give each name by itself';
  if (/[^\x21-\x7e]/.test(name)) return 'is not ASCII: give it as browsers send it (xn--…)';
  if (name.length > 253 || !/^(?!-)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*\.?$/i.test(name)) {
    return 'is no name of a host: give letters, digits, "-" and dots';
  }
  return undefined;
}

/** A Host header without its port. */
function nameOf(text: string): string | undefined {
  const { host, isBracketed, port = '' } = splitHostPort(text) ?? {};
  if (host === undefined || !/^\d*$/.test(port)) return undefined;
  return (isBracketed ? /^[0-9a-f:.]+$/ : /^[^[\]\s]+$/).test(host) ? host : undefined;
}
