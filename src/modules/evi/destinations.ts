import { isIP, isIPv6 } from 'node:net';
import { AddressList, joinHostPort, splitHostPort } from '../../base/address.js';
import { stringify } from '../../base/json.js';
import { shorten } from '../../base/text.js';
import type { IntParameter, StringParameter } from '../../config/parameter.js';
import { type EventParameters, EventSocketError } from '../../mi/events/events.js';

/** Where events may go when nothing else is set: this machine. */
const loopbackOnly = '127.0.0.0/8, ::1';

/** The help of the parameter, for reference pages and errors. */
const destinationsHelp =
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
      // Loaded late: few subscribers give a name.
      const { lookup } = await import('node:dns/promises');
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

/** The fault of a list of destinations; undefined if there is none. */
export function destinationsProblem(list: string): string | undefined {
  try {
    new Destinations(list);
    return undefined;
  } catch (error) {
    if (error instanceof RangeError) return error.message;
    throw error;
  }
}

/** Parameters that all modules share that send events to others. */
export const subscriberParameters: {
  readonly destinations: StringParameter & { readonly default: string };
  readonly max_subscribers: IntParameter;
} = {
  destinations: { type: 'string', default: loopbackOnly, help: destinationsHelp, check: destinationsProblem },
  max_subscribers: {
    type: 'int',
    default: 100,
    min: 0,
    max: 10000,
    help: 'sockets that may be subscribed at once; the next one is refused',
  },
};

/** Where a socket of events leads. */
export interface HostPort {
  /** Address without brackets, or name in lower case. */
  readonly host: string;
  readonly port: number;
  /** The text after the port, with its slash; '' without one. */
  readonly rest: string;
}

/**
 * Reads the part of a socket behind its protocol: `127.0.0.1:8888`, `[::1]:8888`, `name:8888/method`.
 *
 * @throws EventSocketError that tells the form
 */
export function parseHostPort(protocol: string, text: string): HostPort {
  const [, place = '', rest = ''] = /^([^/]*)(\/.*)?$/.exec(text) ?? [];
  const { host = '', isBracketed, port: digits = '' } = splitHostPort(place) ?? {};
  // An address with a zone is one of this machine alone.
  const isHost = isBracketed ? isIPv6(host) && !host.includes('%') : /^[A-Za-z0-9_.-]{1,253}$/.test(host);
  const port = /^\d{1,5}$/.test(digits) ? Number(digits) : 0;
  if (!isHost || port < 1 || port > 65535) {
    const shown = JSON.stringify(shorten(`${protocol}:${text}`, 100));
    throw new EventSocketError(
      `socket ${shown} is not ${protocol}:HOST:PORT; IPv6 goes in brackets, ports from 1 to 65535`,
    );
  }
  return { host: host.toLowerCase(), port, rest };
}

/** Writes it as {@link parseHostPort} reads it. */
export function formatHostPort({ host, port, rest }: HostPort): string {
  return joinHostPort(host, port) + rest;
}

/** The forms in which the parameters of one event were printed: raising it gives all subscribers the same object. */
const printed = new WeakMap<EventParameters, Map<string, Buffer>>();

/**
 * An event as a JSON-RPC 2.0 notification (§4.1), its members in the order of OpenSIPS. It is printed once for all
 * subscribers that get it in the same form.
 *
 * @param form what tells this form from others: the method, and whatever `params` is made with
 * @param params makes the parameters to be printed
 */
export function notification(
  raised: EventParameters,
  form: { readonly method: string; readonly key?: string; readonly end?: string },
  params: () => EventParameters = () => raised,
): Buffer {
  const { method, key = '', end = '' } = form;
  const forms = printed.get(raised) ?? new Map<string, Buffer>();
  if (forms.size === 0) printed.set(raised, forms);
  const name = JSON.stringify([method, key, end]);
  const known = forms.get(name);
  if (known !== undefined) return known;
  const text = Buffer.from(`${stringify({ jsonrpc: '2.0', method, params: params() })}${end}`);
  forms.set(name, text);
  return text;
}
