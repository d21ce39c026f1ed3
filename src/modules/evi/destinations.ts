import { lookup } from 'node:dns/promises';
import { BlockList, isIP } from 'node:net';
import { EventSocketError } from '../../mi/event-transport.js';

/** Where events may go when nothing else is set: this machine. */
export const loopbackOnly = '127.0.0.0/8, ::1';

/** What README and errors tell about the parameter of that name. */
export const destinationsHelp =
  'addresses and networks (CIDR), parted by commas, that events may be sent to, for whoever may subscribe chooses the ' +
  'address; 0.0.0.0/0, ::/0 is every address';

/**
 * The addresses that events may be sent to. A subscriber names any host and port, and the server sends there: without
 * a limit, a caller reaches what only this server reaches (server-side request forgery).
 */
export class Destinations {
  readonly #allowed = new BlockList();
  readonly #list: string;

  /** @param list addresses and networks, parted by commas, that {@link destinationsProblem} finds nothing wrong with */
  constructor(list: string) {
    this.#list = list;
    for (const { address, prefix, family } of items(list).map(parse)) {
      this.#allowed.addSubnet(address, prefix, family);
    }
  }

  /**
   * Finds the address to send to: the host itself, or the first of its addresses that may be sent to. It is that very
   * address that is used then, whatever the name resolves to later.
   *
   * @param host address or name
   * @throws EventSocketError when it has none, by a promise for a name
   */
  resolve(host: string): string | Promise<string> {
    if (isIP(host) === 0) return this.#resolveName(host);
    if (this.#allows(host)) return host;
    throw this.#refusal(`${host} is not`);
  }

  async #resolveName(name: string): Promise<string> {
    let found: readonly { readonly address: string }[];
    try {
      found = await lookup(name, { all: true });
    } catch (error) {
      const { code = 'unknown error' } = error as NodeJS.ErrnoException;
      throw new EventSocketError(`${name} cannot be resolved (${code}); give an address`);
    }
    const address = found.map((one) => one.address).find((one) => this.#allows(one));
    if (address === undefined) throw this.#refusal(`${name} resolves to nothing that is`);
    return address;
  }

  #allows(address: string): boolean {
    return this.#allowed.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4');
  }

  #refusal(what: string): EventSocketError {
    return new EventSocketError(
      `${what} among the destinations of events, ${this.#list === '' ? 'which are none' : this.#list}; ` +
        'add its network to the parameter destinations',
    );
  }
}

/** Says what is wrong with a list of destinations, or undefined when nothing is. */
export function destinationsProblem(list: string): string | undefined {
  const wrong = items(list).find((item) => !isNetwork(item));
  return wrong === undefined
    ? undefined
    : `${JSON.stringify(wrong)} is no address or network; give such as 127.0.0.1, 192.0.2.0/24 or 2001:db8::/32`;
}

function items(list: string): readonly string[] {
  return list.split(/[\s,]+/).filter((item) => item !== '');
}

function isNetwork(item: string): boolean {
  const [address = '', prefix, more] = item.split('/');
  const bits = { 0: -1, 4: 32, 6: 128 }[isIP(address)] ?? -1;
  if (bits < 0 || more !== undefined) return false;
  return prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= bits);
}

function parse(item: string): { address: string; prefix: number; family: 'ipv4' | 'ipv6' } {
  const [address = '', prefix] = item.split('/');
  const isSix = isIP(address) === 6;
  return { address, prefix: Number(prefix ?? (isSix ? 128 : 32)), family: isSix ? 'ipv6' : 'ipv4' };
}
