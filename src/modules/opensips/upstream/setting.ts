import { splitHostPort } from '../../../base/address.js';
import { coded } from '../../../base/codes.js';
import { readSmallFile } from '../../../base/files.js';
import { reasonOf } from '../../../base/text.js';
import { replyNameLength } from './reply-names.js';
import type { Dialect, TransportSetting } from './transport.js';

/** Bytes that the name of a reply FIFO and its folder may have together, as mi_fifo has it. */
const longestReplyPath = 127;

/** The parts of a transport behind its address: `;version=2.4`. */
interface Options {
  readonly dialect: Dialect;
  readonly replyFolder: string | undefined;
  /** Number of a user. */
  readonly owner: number | undefined;
  /** `user:password` from a file or the environment. */
  readonly login: string | undefined;
}

/** Bytes of the longest file of a login. */
const longestLogin = 4096;

/** The forms of a transport, for help and errors. */
const transportForms =
  'fifo:/PATH, datagram:udp:HOST:PORT, datagram:/PATH or http://HOST:PORT/ROOT, with ;version=2.4 for OpenSIPS 2.x and ' +
  ';reply_dir=/PATH/ for a FIFO whose replies are not in /tmp/, or for a Unix socket that OpenSIPS reaches by files alone, ;owner=UID for a FIFO ' +
  'that has to be of that user, and ;login_file=/PATH or ;login_env=NAME for USER:PASSWORD of HTTP';

/**
 * Reads a transport as it is configured.
 *
 * @throws RangeError naming the fault and the forms
 */
export function parseTransport(text: string): TransportSetting {
  const [address = '', ...given] = text.split(';');
  const { dialect, replyFolder, owner, login } = parseOptions(text, given);
  if (owner !== undefined && !address.startsWith('fifo:')) throw rejected(text, 'has an owner, which FIFOs alone have');
  if (login !== undefined && !address.startsWith('http://')) throw rejected(text, 'has a login, which HTTP alone has');
  if (address.startsWith('fifo:')) {
    const path = pathOf(text, address.slice('fifo:'.length));
    return { kind: 'fifo', dialect, path, replyFolder: checkFolder(text, replyFolder ?? '/tmp/'), owner };
  }
  if (address.startsWith('datagram:') && !address.startsWith('datagram:udp:')) {
    const path = address.slice(address.startsWith('datagram:unix:') ? 'datagram:unix:'.length : 'datagram:'.length);
    return {
      kind: 'unix',
      dialect,
      path: path.startsWith('@') ? path : pathOf(text, path),
      replyFolder: replyFolder === undefined ? '' : checkFolder(text, replyFolder),
    };
  }
  if (replyFolder !== undefined) throw rejected(text, 'has a reply_dir, which FIFOs and Unix sockets alone have');
  if (address.startsWith('http://')) return parseHttp(text, address, dialect, login);
  if (address.startsWith('datagram:udp:')) return parseUdp(text, address.slice('datagram:udp:'.length), dialect);
  throw rejected(text, 'is no transport of OpenSIPS');
}

function parseOptions(text: string, given: readonly string[]): Options {
  let dialect: Dialect = 'jsonrpc';
  let replyFolder: string | undefined;
  let owner: number | undefined;
  let login: string | undefined;
  for (const option of given) {
    const at = option.indexOf('=');
    const [name, value] = [option.slice(0, at), option.slice(at + 1)];
    if (name === 'reply_dir') replyFolder = value;
    else if (name === 'owner' && /^[0-9]{1,10}$/.test(value)) owner = Number(value);
    else if (name === 'login_file') login = loginOf(text, name, readLogin(text, value));
    else if (name === 'login_env') login = loginOf(text, name, process.env[value]);
    else if (name === 'version' && /^[234]\.[0-9]{1,2}$/.test(value)) {
      dialect = value.startsWith('2') ? '2.4' : 'jsonrpc';
    } else throw rejected(text, `has "${text.includes('@') ? '…' : option}"`);
  }
  return { dialect, replyFolder, owner, login };
}

/** The first line of a file. */
function readLogin(text: string, file: string): string {
  try {
    const [line = ''] = readSmallFile(file, longestLogin).text.split(/\r?\n/, 1);
    return line;
  } catch (error) {
    throw rejected(text, `has a login_file that cannot be read: ${reasonOf(error)}`);
  }
}

function loginOf(text: string, option: string, login: string | undefined): string {
  if (login === undefined) throw rejected(text, `has a ${option} that is not there`);
  if (!/^[^:]+:/.test(login)) throw rejected(text, `has a ${option} without USER:PASSWORD`);
  return login;
}

function parseUdp(text: string, address: string, dialect: Dialect): TransportSetting {
  const found = splitHostPort(address);
  const port = Number(found?.port);
  if (found === undefined || found.host === '' || !(Number.isInteger(port) && port > 0 && port < 65536)) {
    throw rejected(text, 'has no host with a port');
  }
  return { kind: 'udp', dialect, host: found.host, port };
}

function parseHttp(text: string, address: string, dialect: Dialect, login: string | undefined): TransportSetting {
  if (!URL.canParse(address)) throw rejected(text, 'is no URL');
  const { hostname, port, pathname, username, password, search, hash } = new URL(address);
  if (search !== '' || hash !== '') throw rejected(text, 'has more than a path');
  // Else the rest of a password would be taken for a path, and printed.
  if (pathname.includes('@')) throw rejected(text, 'has "@" in its path; in a login write %2F for "/"');
  if (login !== undefined && username !== '') throw rejected(text, 'has two logins');
  return {
    kind: 'http',
    dialect,
    host: hostname.startsWith('[') ? hostname.slice(1, -1) : hostname,
    port: port === '' ? 80 : Number(port),
    path: pathname,
    userInfo: login ?? (username === '' ? '' : `${decoded(text, username)}:${decoded(text, password)}`),
  };
}

function decoded(text: string, part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw rejected(text, 'has a login with a "%" that stands for no character; write %25');
  }
}

function pathOf(text: string, path: string): string {
  if (!path.startsWith('/') || path.includes('\0'))
    throw rejected(text, 'has no path from the root of the file system');
  return path;
}

function checkFolder(text: string, folder: string): string {
  if (!folder.startsWith('/') || !folder.endsWith('/')) {
    throw rejected(text, 'has a reply_dir without a slash at both ends');
  }
  if (Buffer.byteLength(folder) + replyNameLength > longestReplyPath) {
    throw rejected(text, `has a reply_dir of more than ${longestReplyPath - replyNameLength} bytes`);
  }
  return folder;
}

function rejected(text: string, fault: string): RangeError {
  const shown = withoutLogin(text);
  return coded('ERR_PARAMETER', new RangeError(`transport "${shown}" ${fault}; give ${transportForms}`));
}

/** A host with a port, or none: what may stand behind `//` without being the beginning of a login. */
const plainHost = /^(?:\[[^\]]*\]|[^:]*)(?::[0-9]*)?$/;

/** The text of a transport as it may be printed: all that may be of a login is left out, also where it is no URL. */
export function withoutLogin(text: string): string {
  const [scheme = ''] = /^(?:fifo:|datagram:|.*?:\/\/)?/s.exec(text) ?? [];
  if (scheme === 'fifo:' || scheme === 'datagram:') return text;
  const rest = text.slice(scheme.length);
  const at = rest.lastIndexOf('@');
  if (at >= 0) return `${scheme}…@${rest.slice(at + 1)}`;
  const [host = ''] = rest.split(/[/?#;]/, 1);
  return scheme === '' || plainHost.test(host) ? text : `${scheme}…`;
}

/** A transport as text, its password left out; what {@link parseTransport} takes. */
export function formatTransport(setting: TransportSetting): string {
  const version = setting.dialect === '2.4' ? ';version=2.4' : '';
  switch (setting.kind) {
    case 'fifo':
      return `fifo:${setting.path}${setting.replyFolder === '/tmp/' ? '' : `;reply_dir=${setting.replyFolder}`}${version}${setting.owner === undefined ? '' : `;owner=${setting.owner}`}`;
    case 'unix':
      return `datagram:${setting.path}${setting.replyFolder === '' ? '' : `;reply_dir=${setting.replyFolder}`}${version}`;
    case 'udp':
      return `datagram:udp:${bracketed(setting.host)}:${setting.port}${version}`;
    case 'http':
      return `http://${bracketed(setting.host)}:${setting.port}${setting.path}${version}`;
  }
}

/** True for a transport with a password in it, which is seen wherever its text is. */
export function hasPassword(text: string): boolean {
  return withoutLogin(text) !== text;
}

/** A host as it stands in front of a port. */
export function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}
