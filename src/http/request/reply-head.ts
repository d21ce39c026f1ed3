import { STATUS_CODES } from 'node:http';
import type { UwsResponse } from '../engine/app.js';
import type { ReplyHeaders } from '../exchange.js';

/** Field names are tokens (RFC 9110 §5.6.2). */
const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

/** What would end the line, or the string for some recipient: the engine sends values as they are. */
const forbidden = /[\r\n\0]/;

/** Framing and connection are the business of this layer: a second one of these would contradict the first. */
const reserved: ReadonlySet<string> = new Set([
  'connection',
  'content-length',
  'date',
  'keep-alive',
  'transfer-encoding',
  'upgrade',
]);

/**
 * Checks the headers a handler gives, so that none of them can split the response (RFC 9110 §5.5).
 *
 * @throws TypeError naming the header
 */
export function checkReplyHeaders(headers: ReplyHeaders): void {
  for (const name of Object.keys(headers)) {
    if (!token.test(name)) throw new TypeError(`reply header name ${JSON.stringify(name)} is not a token`);
    if (reserved.has(name.toLowerCase())) {
      throw new TypeError(`reply header ${name} is set by the HTTP layer; leave it out`);
    }
    const value: unknown = headers[name];
    if (typeof value !== 'string')
      throw new TypeError(`value of reply header ${name} is no string but ${typeof value}`);
    if (forbidden.test(value)) throw new TypeError(`value of reply header ${name} contains CR, LF or NUL`);
  }
}

/**
 * Headers that every reply of a listener has: browsers guess no type (`nosniff`), and those that came by TLS are told to
 * come by TLS the next time (RFC 6797).
 */
export class StandingHeaders {
  readonly #headers: readonly (readonly [name: string, value: string])[];
  readonly #lines: string;
  readonly #typed = new Map<string, string>();

  /** @param stayEncrypted seconds for which browsers use TLS alone; 0: they are not told */
  constructor(stayEncrypted: number) {
    const nosniff = ['X-Content-Type-Options', 'nosniff'] as const;
    const sts = ['Strict-Transport-Security', `max-age=${stayEncrypted}`] as const;
    this.#headers = stayEncrypted > 0 ? [nosniff, sts] : [nosniff];
    this.#lines = this.#headers.map(([name, value]) => `\r\n${name}: ${value}`).join('');
  }

  /** Writes the type of a root with all of them: one call of the engine, since each costs as much as a short reply. */
  writeWith(response: UwsResponse, contentType: string): void {
    let typed = this.#typed.get(contentType);
    if (typed === undefined) {
      typed = contentType + this.#lines;
      this.#typed.set(contentType, typed);
    }
    response.writeHeader('Content-Type', typed);
  }

  /** Writes those that a handler has not given. */
  writeBeside(response: UwsResponse, given: ReplyHeaders): void {
    const names = Object.keys(given).map((name) => name.toLowerCase());
    for (const [name, value] of this.#headers) {
      if (!names.includes(name.toLowerCase())) response.writeHeader(name, value);
    }
  }
}

/**
 * Writes status line and headers.
 *
 * @param contentType of the root; a header of the handler wins
 * @param headers checked by {@link checkReplyHeaders}
 */
export function writeReplyHead(
  response: UwsResponse,
  status: number,
  line: string,
  contentType: string,
  headers: ReplyHeaders | undefined,
  standing: StandingHeaders,
): void {
  if (status !== 200) response.writeStatus(line);
  if (headers === undefined) {
    standing.writeWith(response, contentType);
    return;
  }
  let hasType = false;
  for (const name of Object.keys(headers)) {
    response.writeHeader(name, headers[name] ?? '');
    hasType ||= name.toLowerCase() === 'content-type';
  }
  if (!hasType) response.writeHeader('Content-Type', contentType);
  standing.writeBeside(response, headers);
}

/** By status. */
const lines: string[] = [];

/**
 * Status and reason phrase for a status line (RFC 9110 §15), such as `404 Not Found`.
 *
 * @throws RangeError when the status is no integer from 200 to 599: interim replies are the engine's
 */
export function statusLine(status: number): string {
  const known = lines[status];
  if (known !== undefined) return known;
  if (!Number.isInteger(status) || status < 200 || status > 599) {
    throw new RangeError(`status ${status} is not an integer from 200 to 599`);
  }
  const line = `${status} ${STATUS_CODES[status] ?? 'Other'}`;
  lines[status] = line;
  return line;
}

/** Whether a reply of this status has neither body nor Content-Length (RFC 9110 §8.6, §15.3.5, §15.4.5). */
export function isBodiless(status: number): boolean {
  return status === 204 || status === 304;
}
