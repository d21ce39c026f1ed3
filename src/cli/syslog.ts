import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:dgram';
import { statSync } from 'node:fs';
import { isIPv6 } from 'node:net';
import { hostname } from 'node:os';
import { joinHostPort, splitHostPort } from '../base/address.js';
import { coded, type ErrorCode } from '../base/codes.js';
import { stringify } from '../base/json.js';
import type { Log } from '../base/log.js';
import { reasonOf, shorten } from '../base/text.js';
import { UnixDatagrams } from '../native/datagrams.js';

/** Where lines go beside standard output. */
export type LogPlace =
  | { readonly kind: 'syslog' | 'journal'; readonly path: string }
  | { readonly kind: 'syslog'; readonly host: string; readonly port: number };

/** Settings of lines for syslog and the journal. */
export interface SyslogOptions {
  /** Number of the facility. */
  readonly facility: number;
  /** What the program is called there. */
  readonly name: string;
}

/** A place of log lines that is none; the message is one line. */
class LogPlaceError extends Error {
  override readonly name = 'LogPlaceError';
  readonly code: ErrorCode = 'ERR_OPTION';
}

const syslogPath = '/dev/log';
const journalPath = '/run/systemd/journal/socket';
const syslogPort = 514;

/** Bytes of the longest path of a socket. */
const longestPath = 107;

/**
 * Reads `syslog`, `syslog:/PATH`, `syslog:udp:HOST[:PORT]`, `journal` or `journal:/PATH`; undefined for `stdout`.
 * @throws LogPlaceError
 */
export function parseLogPlace(text: string): LogPlace | undefined {
  if (text === 'stdout') return undefined;
  const wrong = new LogPlaceError(
    `option --log is ${JSON.stringify(shorten(text, 100))}; give stdout, syslog, syslog:/PATH, syslog:udp:HOST:PORT, journal or journal:/PATH`,
  );
  if (text === 'syslog') return { kind: 'syslog', path: syslogPath };
  if (text === 'journal') return { kind: 'journal', path: journalPath };
  for (const kind of ['syslog', 'journal'] as const) {
    const path = text.slice(kind.length + 1);
    if (text.startsWith(`${kind}:/`) && Buffer.byteLength(path) <= longestPath && !path.includes('\0')) {
      return { kind, path };
    }
  }
  if (!text.startsWith('syslog:udp:')) throw wrong;
  const {
    host = '',
    isBracketed,
    port: digits = String(syslogPort),
  } = splitHostPort(text.slice('syslog:udp:'.length)) ?? {};
  const port = Number(digits);
  const isHost = host !== '' && (!isBracketed || isIPv6(host)) && [...host].every((one) => one > ' ');
  if (!isHost || digits.trim() !== digits || !(Number.isInteger(port) && port >= 1 && port <= 65535)) throw wrong;
  return { kind: 'syslog', host, port };
}

/** Facilities by their names, as openlog(3) and OpenSIPS have them. */
export const facilities: ReadonlyMap<string, number> = new Map([
  ...['KERN', 'USER', 'MAIL', 'DAEMON', 'AUTH', 'SYSLOG', 'LPR', 'NEWS', 'UUCP', 'CRON', 'AUTHPRIV', 'FTP'].map(
    (name, number) => [`LOG_${name}`, number] as const,
  ),
  ...Array.from({ length: 8 }, (_, number) => [`LOG_LOCAL${number}`, 16 + number] as const),
]);

/** Severities of syslog, by the methods of a log. */
const severities = { debug: 7, info: 6, warn: 4, error: 3 } as const;

type Method = keyof typeof severities;

/** A line, before it has a form. */
interface Line {
  readonly severity: number;
  readonly time: Date;
  readonly fields: object;
  readonly message: string;
}

/** Number of the enterprise that documents have (RFC 5612): this project has none of its own. */
const dataId = 'mi-httpd@32473';

/** UTF-16 units of one value, and fields of one line. */
const longestValue = 1024;
const mostFields = 32;

/** Bytes of one line: what receivers take by default. */
const longestLine = 8192;
const longestUdpLine = 2048;

/** The other fields of a line as texts, `err` as the message of the error. */
function textsOf(fields: object): readonly (readonly [name: string, text: string])[] {
  const texts: [string, string][] = [];
  for (const [name, value] of Object.entries(fields).slice(0, mostFields)) {
    if (value === undefined) continue;
    const isError = name === 'err' && value instanceof Error;
    const text = isError ? value.message : typeof value === 'string' ? value : printed(value);
    texts.push([isError ? 'error' : name, shorten(text, longestValue, '…')]);
  }
  return texts;
}

/** What is logged may be anything. */
function printed(value: unknown): string {
  try {
    return stringify(value);
  } catch {
    return 'what cannot be printed';
  }
}

/** One line: without control characters, of which a line feed would begin another one. */
function onOneLine(text: string): string {
  return text.replace(/\p{Cc}+/gu, ' ');
}

/** Printable ASCII without what parts the members of a line (RFC 5424 §6). */
function word(text: string, most: number): string {
  const kept = text.replace(/[^!-~]|[="\]]/g, '_').slice(0, most);
  return kept === '' ? '-' : kept;
}

/** A line as RFC 5424 has it. @param most bytes */
export function syslogLine(line: Line, { facility, name }: SyslogOptions, most: number): Buffer {
  const { severity, time, fields, message } = line;
  const texts = textsOf(fields);
  const code = texts.find(([one]) => one === 'code')?.[1] ?? '-';
  const escaped = (text: string): string => onOneLine(text).replace(/["\\\]]/g, '\\$&');
  const dataOf = (some: typeof texts): string =>
    some.length === 0
      ? '-'
      : `[${dataId}${some.map(([one, text]) => ` ${word(one, 32)}="${escaped(text)}"`).join('')}]`;
  const head = [
    `<${facility * 8 + severity}>1`,
    time.toISOString(),
    word(hostname(), 255),
    word(name, 48),
    process.pid,
    word(code, 32),
  ].join(' ');
  let data = dataOf(texts);
  // The message tells the most.
  if (Buffer.byteLength(head) + Buffer.byteLength(data) > most / 2)
    data = dataOf(texts.filter(([one]) => one === 'code'));
  const text = onOneLine(message);
  const isAscii = Buffer.byteLength(text) === text.length;
  return cut(Buffer.from(`${head} ${data} ${isAscii ? '' : '\ufeff'}${text}`), most);
}

/** A line as journald takes it (systemd, "Native Journal Protocol"). */
export function journalLine(line: Line, { facility, name }: SyslogOptions): Buffer {
  const { severity, fields, message } = line;
  const err: unknown = 'err' in fields ? fields.err : undefined;
  const stack = err instanceof Error && typeof err.stack === 'string' ? [['stack', err.stack] as const] : [];
  const all: readonly (readonly [string, string])[] = [
    ['MESSAGE', shorten(message, longestLine, '…')],
    ['PRIORITY', String(severity)],
    ['SYSLOG_IDENTIFIER', name],
    ['SYSLOG_FACILITY', String(facility)],
    ...[...textsOf(fields), ...stack].map(([one, text]) => [fieldName(one), shorten(text, longestLine, '…')] as const),
  ];
  return Buffer.concat(
    all.map(([key, value]) => {
      if (!value.includes('\n')) return Buffer.from(`${key}=${value}\n`);
      const bytes = Buffer.from(value);
      const length = Buffer.alloc(8);
      length.writeBigUInt64LE(BigInt(bytes.length));
      return Buffer.concat([Buffer.from(`${key}\n`), length, bytes, Buffer.from('\n')]);
    }),
  );
}

/** Letters, digits and underscores, of which none is the first, 64 at most. */
function fieldName(name: string): string {
  return `MI_${name.toUpperCase().replace(/[^A-Z0-9_]/g, '_')}`.slice(0, 64);
}

/** No character is cut in two. */
function cut(bytes: Buffer, most: number): Buffer {
  let end = Math.min(bytes.length, most);
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return bytes.subarray(0, end);
}

/** A way of lines out of the process. It never waits. */
interface Way {
  /** Bytes of the longest line. */
  readonly most: number;
  /** False: it cannot be sent now. @throws Error where nothing takes it */
  send(line: Buffer): boolean;
  close(): void;
}

/** By a socket of the file system. */
class UnixWay implements Way {
  readonly most = longestLine;
  readonly #path: string;
  readonly #socket: UnixDatagrams;

  constructor(path: string) {
    this.#path = path;
    this.#socket = new UnixDatagrams(`@mi-httpd-log-${randomBytes(8).toString('hex')}`, () => {});
  }

  send(line: Buffer): boolean {
    return this.#socket.sendTo(line, this.#path);
  }

  close(): void {
    this.#socket.close();
  }
}

/** Bytes that may wait in the socket of Node.js. */
const mostUnsent = 65536;

class UdpWay implements Way {
  readonly most = longestUdpLine;
  #socket: Socket | undefined;
  #isConnected = false;
  readonly #place: { readonly host: string; readonly port: number };

  constructor(place: { readonly host: string; readonly port: number }) {
    this.#place = place;
    this.#connect();
  }

  send(line: Buffer): boolean {
    const socket = this.#socket;
    if (socket === undefined) {
      this.#connect();
      // To look up a name that is not found costs more than to wait.
      throw coded('ERR_ADDRESS', new Error('the receiver has no address yet'));
    }
    if (!this.#isConnected || socket.getSendQueueSize() > mostUnsent) return false;
    // Nothing tells whether it has come: a receiver that is not there refuses the next one.
    socket.send(line, () => {});
    return true;
  }

  /** A connected socket sends at once, also while the process ends. */
  #connect(): void {
    const { host, port } = this.#place;
    const socket = process.getBuiltinModule('node:dgram').createSocket({ type: isIPv6(host) ? 'udp6' : 'udp4' });
    this.#socket = socket;
    this.#isConnected = false;
    socket.unref();
    socket.on('connect', () => {
      this.#isConnected = true;
    });
    socket.on('error', () => {
      if (this.#isConnected) return;
      if (this.#socket === socket) this.#socket = undefined;
      socket.close();
    });
    socket.connect(port, host);
  }

  close(): void {
    this.#socket?.close();
    this.#socket = undefined;
  }
}

/** Bytes of lines that may wait; more are dropped, and counted. */
const mostWaiting = 1 << 20;

/** Milliseconds before what could not be sent is tried again: where the receiver has many, and where there is none. */
const fullDelay = 10;
const goneDelay = 500;

/** Milliseconds that the last lines have when the process ends. */
const lastLines = 1000;

/** A log whose lines go to syslog or the journal. */
export class SyslogLog implements Log {
  readonly #way: Way;
  readonly #form: (line: Line) => Buffer;
  readonly #waiting: Buffer[] = [];
  #bytes = 0;
  #dropped = 0;
  /** Lines that were dropped and not told of. */
  #untold = 0;
  #retry: NodeJS.Timeout | undefined;

  /** @throws Error in one line where this machine has no such sockets */
  constructor(
    readonly place: LogPlace,
    options: SyslogOptions,
  ) {
    const way = 'path' in place ? new UnixWay(place.path) : new UdpWay(place);
    this.#way = way;
    this.#form =
      place.kind === 'journal' ? (line) => journalLine(line, options) : (line) => syslogLine(line, options, way.most);
  }

  readonly debug = (fields: object, message: string): void => this.#write('debug', fields, message);
  readonly info = (fields: object, message: string): void => this.#write('info', fields, message);
  readonly warn = (fields: object, message: string): void => this.#write('warn', fields, message);
  readonly error = (fields: object, message: string): void => this.#write('error', fields, message);

  /** Lines that were given up. */
  get dropped(): number {
    return this.#dropped;
  }

  /** `unix:/dev/log`: where lines go. */
  get target(): string {
    return 'path' in this.place ? `unix:${this.place.path}` : `udp:${joinHostPort(this.place.host, this.place.port)}`;
  }

  /** False where nothing listens, as far as that can be told. */
  get isThere(): boolean {
    if (!('path' in this.place)) return true;
    return statSync(this.place.path, { throwIfNoEntry: false })?.isSocket() === true;
  }

  #write(method: Method, fields: object, message: string): void {
    const line = this.#form({ severity: severities[method], time: new Date(), fields, message });
    if (this.#bytes + line.length > mostWaiting) {
      this.#dropped += 1;
      this.#untold += 1;
      return;
    }
    this.#waiting.push(line);
    this.#bytes += line.length;
    if (this.#retry === undefined) this.#send();
  }

  #send(): void {
    this.#retry = undefined;
    const delay = this.#sendSome();
    if (delay === undefined) return;
    this.#retry = setTimeout(() => this.#send(), delay);
    this.#retry.unref();
  }

  /** @returns milliseconds after which the rest is to be tried; undefined when there is none */
  #sendSome(): number | undefined {
    for (let line = this.#waiting[0]; line !== undefined; line = this.#waiting[0]) {
      try {
        if (!this.#way.send(line)) return fullDelay;
      } catch (error) {
        if (!isTooLong(error)) return goneDelay;
        this.#dropped += 1;
      }
      this.#waiting.shift();
      this.#bytes -= line.length;
      if (this.#untold > 0) this.#tellLost();
    }
    return undefined;
  }

  /** Behind the line that could be sent. */
  #tellLost(): void {
    const lost = this.#untold;
    this.#untold = 0;
    this.warn({ code: 'log-lines-lost', lost }, `log lines lost: ${lost} (${this.target} took no more)`);
  }

  /** Sends what waits, while the process ends: for a second at most. */
  finish(): void {
    clearTimeout(this.#retry);
    const end = performance.now() + lastLines;
    const pause = new Int32Array(new SharedArrayBuffer(4));
    while (this.#sendSome() === fullDelay && performance.now() < end) Atomics.wait(pause, 0, 0, 5);
    this.#dropped += this.#waiting.length;
    this.#waiting.length = 0;
    this.#way.close();
  }
}

/** A receiver that takes no datagram of that length will not take it later. */
function isTooLong(error: unknown): boolean {
  return reasonOf(error).includes('os error 90');
}

/** A log that writes to two. */
export function both(one: Log, other: Log | undefined): Log {
  if (other === undefined) return one;
  const write =
    (method: Method) =>
    (fields: object, message: string): void => {
      one[method](fields, message);
      other[method](fields, message);
    };
  return { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') };
}
