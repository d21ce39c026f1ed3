import { isIPv6 } from 'node:net';
import { splitHostPort } from '../../base/address.js';
import { coded } from '../../base/codes.js';
import { shorten } from '../../base/text.js';

/** A capture server, as a `hep_id` tells it. */
export interface HepSetting {
  readonly name: string;
  /** Address without brackets, or name. */
  readonly host: string;
  readonly port: number;
  readonly transport: 'udp' | 'tcp' | 'tls';
  /** 1 and 2 have no room for what is traced here. */
  readonly version: 1 | 2 | 3;
}

const defaultPort = 9060;
const longestName = 100;
const transports = ['udp', 'tcp', 'tls'] as const;
const versions = ['1', '2', '3'];
const form = 'give [NAME] HOST:PORT; transport=udp|tcp|tls; version=3';

/**
 * Reads `[name] host:port; transport=tcp; version=3`, as OpenSIPS does; beside that IPv6 in brackets, and TLS.
 * @throws RangeError in one clause
 */
export function parseHepId(text: string): HepSetting {
  const open = text.trim();
  const close = open.indexOf(']');
  if (!open.startsWith('[') || close === -1) throw wrong(`no name in brackets; ${form}`);
  const name = open.slice(1, close).trim();
  if (name === '' || name.length > longestName) {
    throw wrong(`its name has 1 to ${longestName} characters; ${form}`);
  }
  const [place = '', ...options] = open.slice(close + 1).split(';');
  // A semicolon at the end ends the last option.
  if (options.length > 0 && options.at(-1)?.trim() === '') options.pop();
  const { host = '', isBracketed, port: digits } = splitHostPort(place.trim()) ?? {};
  if (host === '' || (isBracketed && !isIPv6(host)) || hasBlank(host)) {
    throw wrong(`no host; ${form}, with IPv6 in brackets`);
  }
  const port = digits === undefined ? defaultPort : wholeNumber(digits);
  if (!(port >= 1 && port <= 65535)) throw wrong(`its port is none from 1 to 65535; ${form}`);
  const given = optionsOf(options);
  const transport = transports.find((one) => one === (given.get('transport') ?? 'tcp'));
  if (transport === undefined) throw wrong(`transport is none of ${transports.join(', ')}`);
  const version = given.get('version') ?? '3';
  if (!versions.includes(version)) throw wrong(`version is none of ${versions.join(', ')}`);
  return { name, host, port, transport, version: Number(version) as HepSetting['version'] };
}

function wrong(reason: string): RangeError {
  return coded('ERR_PARAMETER', new RangeError(reason));
}

function optionsOf(options: readonly string[]): ReadonlyMap<string, string> {
  const given = new Map<string, string>();
  for (const option of options) {
    const [key = '', value = '', more] = option.split('=').map((part) => part.trim());
    if ((key !== 'transport' && key !== 'version') || more !== undefined) {
      throw wrong(`${JSON.stringify(shorten(option.trim(), 40))} is neither transport= nor version=; ${form}`);
    }
    if (value === '') throw wrong(`${key} has no value; ${form}`);
    given.set(key, value.toLowerCase());
  }
  return given;
}

/** NaN for anything but digits. */
function wholeNumber(text: string): number {
  return text !== '' && text.length <= 5 && [...text].every((digit) => digit >= '0' && digit <= '9')
    ? Number(text)
    : Number.NaN;
}

function hasBlank(host: string): boolean {
  return [...host].some((character) => character <= ' ' || character === '\x7f');
}
