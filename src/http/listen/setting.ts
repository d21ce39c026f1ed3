import { isIP } from 'node:net';
import { joinHostPort, splitHostPort } from '../../base/address.js';
import { coded, type ErrorCode } from '../../base/codes.js';
import { realPath } from '../../base/files.js';
import { suggestNames } from '../../base/nearest.js';
import { engineProblem } from '../engine/engine.js';
import { ciphersProblem } from '../tls/ciphers.js';

/** One listener, as `http:127.0.0.1:8888`, `https:[::1]:8443;cert=/etc/x.pem` or `unix:/run/x.sock` says it. */
export interface ListenSetting {
  readonly kind: 'http' | 'https' | 'unix';
  /** IPv4 or IPv6 address without brackets, `*` for all; '' of a Unix socket. */
  readonly address: string;
  /** 0 to 65535, 0 for one that is free; 0 of a Unix socket. */
  readonly port: number;
  /** Absolute path of a Unix socket; '' of the others. */
  readonly path: string;
  readonly options: ReadonlyMap<string, string>;
}

interface OptionDeclaration {
  readonly kinds: readonly ListenSetting['kind'][];
  /** Says what is wrong with a value, undefined when nothing is. */
  readonly check?: (value: string) => string | undefined;
}

const everyKind = ['http', 'https', 'unix'] as const;

/** Longest path that fits an address of a Unix socket, bytes. */
const longestPath = 107;

const optionDeclarations: Readonly<Record<string, OptionDeclaration>> = {
  cert: { kinds: ['https'] },
  key: { kinds: ['https'] },
  passphrase_file: { kinds: ['https'] },
  ciphers: { kinds: ['https'], check: ciphersProblem },
  client_ca: { kinds: ['https'] },
  client_cert: {
    kinds: ['https'],
    check: (text) =>
      text === 'off' || clientCertProblem(text) === undefined ? undefined : 'give require or optional, or off for none',
  },
  client_crl: { kinds: ['https'] },
  mode: {
    kinds: ['unix'],
    check: (mode) => (/^0?[0-7]{3}$/.test(mode) ? undefined : 'give three octal digits, such as 0660'),
  },
  auth: { kinds: everyKind },
  level: { kinds: everyKind },
  allow: { kinds: ['http', 'https'] },
  socket: { kinds: everyKind, check: socketNameProblem },
  engine: { kinds: everyKind, check: engineProblem },
};

/** Every option that a listener of some kind has. */
export const listenOptions: ReadonlyMap<string, readonly ListenSetting['kind'][]> = new Map(
  Object.entries(optionDeclarations).map(([name, { kinds }]) => [name, kinds]),
);

/**
 * Reads one listener: `http:ADDRESS:PORT`, `https:ADDRESS:PORT` (IPv6 in brackets, `*` for all addresses) or
 * `unix:/path`, then options as `;name=value`, with blanks around them as one likes.
 *
 * @throws RangeError in one line that says what is wrong; it does not repeat the text as a whole
 */
export function parseListenSetting(text: string): ListenSetting {
  const [endpoint = '', ...rest] = text.split(';').map((part) => part.trim());
  const place = parseEndpoint(endpoint);
  // A semicolon at the end ends the last option.
  if (rest.at(-1) === '') rest.pop();
  return { ...place, options: parseOptions(place.kind, rest) };
}

/** The listener that parameters ip and port stand for. */
export function tcpSetting(kind: 'http' | 'https', ip: string, port: number): ListenSetting {
  return { kind, address: ip === '' ? '*' : ip, port, path: '', options: new Map() };
}

/** `http:127.0.0.1:8888`, `https:[::1]:8443` or `unix:/run/x.sock`: how a listener is told apart from the others. */
export function settingName({ kind, address, port, path }: ListenSetting): string {
  return kind === 'unix' ? `unix:${path}` : `${kind}:${joinHostPort(address, port)}`;
}

/** Says what is wrong with the value of `client_cert`, undefined when nothing is. */
export function clientCertProblem(text: string): string | undefined {
  return text === 'require' || text === 'optional' ? undefined : 'give require or optional';
}

/** Names that the service manager gives to sockets have neither colons nor control characters. */
function socketNameProblem(name: string): string | undefined {
  const isName =
    name.length <= 255 && [...name].every((character) => character > ' ' && character < '\x7f' && character !== ':');
  return isName ? undefined : 'give the name that FileDescriptorName= in the socket unit has';
}

function parseEndpoint(text: string): Omit<ListenSetting, 'options'> {
  const [, kind = '', place = ''] = /^([^:]*):(.*)$/s.exec(text) ?? [];
  if (kind === 'unix') return { kind, address: '', port: 0, path: checkedPath(place) };
  if (kind === 'http' || kind === 'https') return { kind, path: '', ...addressAndPort(kind, place) };
  throw coded(
    'ERR_LISTENER',
    new RangeError(
      `${JSON.stringify(text)} is no place to listen: give http:ADDRESS:PORT, https:ADDRESS:PORT or unix:/path`,
    ),
  );
}

function checkedPath(path: string): string {
  if (!path.startsWith('/'))
    throw coded('ERR_LISTENER', new RangeError(`path ${JSON.stringify(path)} is not absolute: give unix:/path`));
  if (path.endsWith('/'))
    throw coded('ERR_LISTENER', new RangeError(`path ${JSON.stringify(path)} is that of a folder: give one of a file`));
  const length = Buffer.byteLength(path);
  if (length > longestPath) {
    throw coded(
      'ERR_LISTENER',
      new RangeError(`the path has ${length} bytes, and a Unix socket at most ${longestPath}: give a shorter one`),
    );
  }
  if (path.includes('\0')) throw coded('ERR_LISTENER', new RangeError('the path has a NUL in it: remove it'));
  return path;
}

function addressAndPort(kind: string, place: string): { address: string; port: number } {
  const { host: address, isBracketed, port: portText } = splitHostPort(place) ?? {};
  if (address === undefined || portText === undefined) {
    const isBareIPv6 = isIP(place) === 6 || isIP(place.replace(/:[^:]*$/, '')) === 6;
    const remedy = isBareIPv6 ? `put IPv6 in brackets, ${kind}:[::1]:8888` : `give ${kind}:ADDRESS:PORT`;
    throw coded('ERR_LISTENER', new RangeError(`${JSON.stringify(place)} is no address with a port: ${remedy}`));
  }
  if (isBracketed ? isIP(address) !== 6 : address !== '*' && isIP(address) !== 4) {
    const shown = JSON.stringify(address);
    throw coded(
      'ERR_LISTENER',
      new RangeError(`${shown} is no IPv4 address and no IPv6 address in brackets: give one, or * for all`),
    );
  }
  const port = /^[0-9]{1,5}$/.test(portText) ? Number(portText) : Number.NaN;
  if (!(port <= 65535))
    throw coded('ERR_LISTENER', new RangeError(`port ${JSON.stringify(portText)} is not a number from 0 to 65535`));
  return { address, port };
}

function parseOptions(kind: ListenSetting['kind'], texts: readonly string[]): ReadonlyMap<string, string> {
  const options = new Map<string, string>();
  for (const text of texts) {
    const equals = text.indexOf('=');
    if (equals === -1)
      throw coded('ERR_LISTENER', new RangeError(`option ${JSON.stringify(text)} has no value: give name=value`));
    const name = text.slice(0, equals).trim();
    const value = text.slice(equals + 1).trim();
    const declared = Object.hasOwn(optionDeclarations, name) ? optionDeclarations[name] : undefined;
    if (declared === undefined || !declared.kinds.includes(kind)) throw unfitOption(kind, name, declared);
    if (options.has(name)) throw coded('ERR_LISTENER', new RangeError(`option ${name} is given twice: give it once`));
    if (value === '')
      throw coded('ERR_LISTENER', new RangeError(`option ${name} is empty: give a value, or leave the option out`));
    const problem = declared.check?.(value);
    if (problem !== undefined)
      throw coded('ERR_LISTENER', new RangeError(`option ${name} is ${JSON.stringify(value)}: ${problem}`));
    options.set(name, value);
  }
  return options;
}

function unfitOption(kind: ListenSetting['kind'], name: string, declared: OptionDeclaration | undefined): RangeError {
  if (declared !== undefined) {
    return coded(
      'ERR_LISTENER',
      new RangeError(`option ${name} is for ${declared.kinds.join(' and ')}, not for ${kind}: remove it`),
    );
  }
  const known = Object.entries(optionDeclarations)
    .filter(([, { kinds }]) => kinds.includes(kind))
    .map(([known]) => known);
  return coded(
    'ERR_LISTENER',
    new RangeError(`a listener has no option ${JSON.stringify(name)}: ${suggestNames(name, 'known', known)}`),
  );
}

const everyIPv4 = '0.0.0.0';
const everyIPv6 = '::';

/** Two listeners of one server cannot be open at the same time; the message is one line that names both, and what to do. */
export class CollisionError extends Error {
  readonly code: ErrorCode = 'ERR_LISTENER';
  /** @param places of the two among the settings, from 0 */
  constructor(
    message: string,
    readonly places: readonly [number, number],
  ) {
    super(message);
  }
}

/**
 * Compares the listeners of one server. The engine's socket for `[::]` takes IPv4 too, so that `0.0.0.0` and `[::]` with the
 * same port, kind and options become the one listener `*` that they amount to.
 *
 * @throws CollisionError for two listeners that cannot be open at the same time
 */
export function joinListeners(settings: readonly ListenSetting[]): readonly ListenSetting[] {
  const joined: ListenSetting[] = [];
  /** Where each of those is in `settings`. */
  const places: number[] = [];
  for (const [place, setting] of settings.entries()) {
    const at = joined.findIndex((earlier) => collide(earlier, setting));
    const earlier = joined[at];
    if (earlier === undefined) {
      joined.push(setting);
      places.push(place);
    } else if (isDualStack(earlier, setting)) joined[at] = { ...setting, address: '*' };
    else throw new CollisionError(collision(earlier, setting), [places[at] ?? 0, place]);
  }
  return joined;
}

function collide(one: ListenSetting, other: ListenSetting): boolean {
  if (one.kind === 'unix' || other.kind === 'unix') {
    return one.kind === other.kind && realPath(one.path) === realPath(other.path);
  }
  if (one.port !== other.port || one.port === 0) return false;
  const [a, b] = [canonical(one.address), canonical(other.address)];
  return a === b || covers(a, b) || covers(b, a);
}

/** Tells whether a socket of address `all` takes connections to `one` too. */
function covers(all: string, one: string): boolean {
  return all === everyIPv6 || (all === everyIPv4 && isIP(one) === 4);
}

function isDualStack(one: ListenSetting, other: ListenSetting): boolean {
  const addresses = new Set([one, other].map(({ address }) => canonical(address)));
  return (
    addresses.has(everyIPv4) &&
    addresses.has(everyIPv6) &&
    one.address !== '*' &&
    other.address !== '*' &&
    one.kind === other.kind &&
    one.options.size === other.options.size &&
    [...one.options].every(([name, value]) => other.options.get(name) === value)
  );
}

function collision(one: ListenSetting, other: ListenSetting): string {
  const [a, b] = [settingName(one), settingName(other)];
  if (a === b) return `listener ${a} is given twice: remove one`;
  if (one.kind === 'unix') return `listeners ${a} and ${b} are one path: remove one`;
  const both = `listeners ${a} and ${b} cannot both be open`;
  const places = [canonical(one.address), canonical(other.address)];
  if (places[0] === places[1]) return `${both}, for they have one address and port: give one of them another port`;
  if (places.includes(everyIPv4) && places.includes(everyIPv6)) {
    return (
      `${both}, for the socket of [::] takes IPv4 too: give both the same options, and they become one, or give one ` +
      'of them another port'
    );
  }
  const [all, part] = covers(places[0] ?? '', places[1] ?? '') ? [a, b] : [b, a];
  return `${both}, for ${all} takes what comes to ${part} too: remove one, or give one of them another port`;
}

/** One way to write each address; all addresses of both families are `::`, as the engine opens them. */
export function canonical(address: string): string {
  if (address === '*') return everyIPv6;
  if (isIP(address) !== 6 || address.includes('%')) return address.toLowerCase();
  const text = new URL(`http://[${address}]`).hostname.slice(1, -1);
  const mapped = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(text);
  if (mapped === null) return text;
  const [high, low] = [Number.parseInt(mapped[1] ?? '', 16), Number.parseInt(mapped[2] ?? '', 16)];
  return [high >> 8, high & 255, low >> 8, low & 255].join('.');
}
