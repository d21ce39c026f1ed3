import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { AddressList } from '../../httpd/access/address-list.js';
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
  readonly #allowed: AddressList | undefined;

  /** @param list addresses and networks, parted by commas, that {@link destinationsProblem} finds nothing wrong with */
  constructor(list: string) {
    this.#allowed = list.trim() === '' ? undefined : new AddressList(list);
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
    return this.#allowed?.includes(address) === true;
  }

  #refusal(what: string): EventSocketError {
    return new EventSocketError(
      this.#allowed === undefined
        ? `${what} among the destinations of events: the parameter destinations is empty; add its network to it`
        : `${what} among the destinations of events, ${this.#allowed.text}; add its network to the parameter destinations`,
    );
  }
}

/** Says what is wrong with a list of destinations, or undefined when nothing is. */
export function destinationsProblem(list: string): string | undefined {
  try {
    new Destinations(list);
    return undefined;
  } catch (error) {
    if (error instanceof RangeError) return error.message;
    throw error;
  }
}
