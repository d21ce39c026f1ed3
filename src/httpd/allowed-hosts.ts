import { isIP } from 'node:net';

/**
 * Which Host headers (RFC 9110 §7.2) a browser may come with. A page of somebody else whose name is made to resolve to
 * this server (DNS rebinding) counts as same-origin to the browser, and only its Host header gives it away. Addresses
 * cannot be rebound, and `localhost` is resolved by no server (RFC 6761 §6.3).
 */
export class AllowedHosts {
  readonly #names: ReadonlySet<string>;

  /** @param list names parted by commas or blanks, without ports, in any case */
  constructor(list: string) {
    this.#names = new Set(list.toLowerCase().split(/[\s,]+/));
  }

  /** @returns why this Host header is refused; undefined when it is not */
  refusal(host: string | undefined): string | undefined {
    const name = nameOf((host ?? '').toLowerCase());
    if (name !== undefined && name !== '') {
      const isKnown = isIP(name) !== 0 || name === 'localhost' || name.endsWith('.localhost');
      if (isKnown || this.#names.has(name)) return undefined;
    }
    const shown = JSON.stringify((host ?? '').slice(0, 100));
    return (
      `host ${shown} is neither an address nor localhost, and is not among allowed_hosts; ` +
      'if this server is meant to have this name, add it: modparam("httpd", "allowed_hosts", "NAME")'
    );
  }
}

/** A Host header without its port. */
function nameOf(host: string): string | undefined {
  return /^(?:\[([0-9a-f:.]+)\]|([^:[\]\s]+))(?::\d*)?$/
    .exec(host)
    ?.slice(1)
    .find((name) => name !== undefined);
}
