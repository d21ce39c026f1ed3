import { BlockList, isIP } from 'node:net';
import { coded } from './codes.js';

/**
 * Text of an address as the engine gives it: 4 bytes of IPv4 or 16 of IPv6, '' for none. IPv4 that arrived on a
 * socket for both families is told as IPv4, IPv6 in its short form (RFC 5952).
 */
export function formatAddress(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.');
  if (bytes.length !== 16) return '';
  const groups: number[] = [];
  for (let i = 0; i < 16; i += 2) groups.push(((bytes[i] ?? 0) << 8) | (bytes[i + 1] ?? 0));
  if (groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff) return bytes.subarray(12).join('.');
  const { start, length } = longestZeros(groups);
  const text = (part: readonly number[]): string => part.map((group) => group.toString(16)).join(':');
  return length < 2 ? text(groups) : `${text(groups.slice(0, start))}::${text(groups.slice(start + length))}`;
}

/** The 4 or 16 bytes of an address that is one; the reverse of {@link formatAddress}. */
export function addressBytes(address: string): Uint8Array {
  if (!address.includes(':')) return Uint8Array.from(address.split('.'), Number);
  const scope = address.indexOf('%');
  const [before = '', after] = (scope === -1 ? address : address.slice(0, scope)).split('::');
  const bytesOf = (part: string): number[] =>
    (part === '' ? [] : part.split(':')).flatMap((group) => {
      if (group.includes('.')) return group.split('.').map(Number);
      const number = Number.parseInt(group, 16);
      return [number >> 8, number & 0xff];
    });
  const head = bytesOf(before);
  const tail = bytesOf(after ?? '');
  const zeros = new Array<number>(Math.max(0, 16 - head.length - tail.length)).fill(0);
  return Uint8Array.from([...head, ...zeros, ...tail]);
}

function longestZeros(groups: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  let start = 0;
  for (let i = 0; i <= groups.length; i++) {
    if (groups[i] === 0) continue;
    if (i - start > best.length) best = { start, length: i - start };
    start = i + 1;
  }
  return best;
}

/** The origin of what comes by a Unix socket: its file mode says who that may be. */
export const localOrigin = 'local';

/**
 * The origin of what comes by TCP from an address that the engine does not give, as when a reset has followed the
 * request. It is never taken for {@link localOrigin}: that is a property of the listener.
 */
export const unknownOrigin = 'unknown';

/** Where a request comes from: the address of its connection, {@link localOrigin} or {@link unknownOrigin}. */
export function originOf(isUnix: boolean, address: string): string {
  if (isUnix) return localOrigin;
  return address === '' ? unknownOrigin : address;
}

/**
 * The network that counts as one party: an IPv4 address, or the first 64 bits of an IPv6 one, since a single customer
 * has as many addresses below them as it likes; {@link localOrigin} is one of its own.
 *
 * @returns undefined for an address that is not known: no limit can count it
 */
export function networkOf(origin: string): string | undefined {
  if (origin === unknownOrigin || origin === '') return undefined;
  if (!origin.includes(':')) return origin;
  const [before = '', after] = origin.split('::');
  const head = before === '' ? [] : before.split(':');
  const tail = after === undefined || after === '' ? [] : after.split(':');
  const zeros = after === undefined ? 0 : 8 - head.length - tail.length;
  const groups = [...head, ...new Array<string>(Math.max(0, zeros)).fill('0'), ...tail];
  return `${groups.slice(0, 4).join(':')}::/64`;
}

/**
 * A list of addresses and networks, `127.0.0.1, 192.0.2.0/24, 2001:db8::/32`.
 *
 * @throws RangeError naming the item that is neither
 */
export class AddressList {
  readonly #list = new BlockList();

  constructor(readonly text: string) {
    for (const item of text.split(',')) this.#add(item.trim());
  }

  /** True if the address is in the list. An unknown address is in no list. */
  includes(address: string): boolean {
    const family = isIP(address);
    return family !== 0 && this.#list.check(address, family === 6 ? 'ipv6' : 'ipv4');
  }

  #add(item: string): void {
    if (item === '')
      throw coded('ERR_ADDRESS', new RangeError('beside a comma there is no address; give one, or remove the comma'));
    const [address = '', prefix, ...rest] = item.split('/');
    const family = isIP(address);
    const bits = family === 6 ? 128 : 32;
    if (family === 0 || rest.length > 0) {
      throw coded(
        'ERR_ADDRESS',
        new RangeError(
          `${JSON.stringify(item)} is neither an address nor a network; give one such as 192.0.2.7, 192.0.2.0/24 or 2001:db8::/32`,
        ),
      );
    }
    if (prefix !== undefined && (!/^[0-9]{1,3}$/.test(prefix) || Number(prefix) > bits)) {
      throw coded(
        'ERR_ADDRESS',
        new RangeError(`${JSON.stringify(item)} has the prefix length "${prefix}"; give 0 to ${bits}`),
      );
    }
    this.#list.addSubnet(address, prefix === undefined ? bits : Number(prefix), family === 6 ? 'ipv6' : 'ipv4');
  }
}

/** The parts of `HOST`, `HOST:PORT`, `[IPv6]` or `[IPv6]:PORT`. */
export interface HostAndPort {
  /** Without brackets; it may be anything but a colon outside of them. */
  readonly host: string;
  readonly isBracketed: boolean;
  /** As it is written; undefined without a colon. */
  readonly port: string | undefined;
}

/** @returns undefined where an address of IPv6 has no brackets, or the text is none of these */
export function splitHostPort(text: string): HostAndPort | undefined {
  const found = /^(?:\[([^\]]*)\]|([^:]*))(?::([^:]*))?$/.exec(text);
  if (found === null) return undefined;
  const [, bracketed, plain = '', port] = found;
  return { host: bracketed ?? plain, isBracketed: bracketed !== undefined, port };
}

/** Writes a host as it stands in {@link splitHostPort}: IPv6 in brackets. */
export function joinHostPort(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
