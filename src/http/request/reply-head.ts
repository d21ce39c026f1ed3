import { coded } from '../../base/codes.js';
import { type EngineResponse, FixedHead } from '../engine/engine.js';
import type { ReplyHeaders } from '../exchange.js';

/**
 * Writes the heads of replies, with what every reply of a listener has: browsers guess no type (`nosniff`), and those that
 * came by TLS are told to come by TLS the next time (RFC 6797).
 */
export class ReplyHead {
  readonly #standing: readonly (readonly [name: string, value: string])[];
  /** Of replies of status 200 without other headers, by content type. */
  readonly #fixed = new Map<string, FixedHead>();

  /** @param stayEncrypted seconds for which browsers use TLS alone; 0: they are not told */
  constructor(stayEncrypted: number) {
    const nosniff = ['X-Content-Type-Options', 'nosniff'] as const;
    const sts = ['Strict-Transport-Security', `max-age=${stayEncrypted}`] as const;
    this.#standing = stayEncrypted > 0 ? [nosniff, sts] : [nosniff];
  }

  /**
   * Writes status line and headers.
   *
   * @param contentType of the root; a header of the handler wins
   * @param headers checked by {@link checkReplyHeaders}
   */
  write(
    response: Pick<EngineResponse, 'writeStatus' | 'writeHeader' | 'writeFixedHead'>,
    status: number,
    line: string,
    contentType: string,
    headers: ReplyHeaders | undefined,
  ): void {
    if (status === 200 && headers === undefined) {
      let fixed = this.#fixed.get(contentType);
      if (fixed === undefined) {
        fixed = new FixedHead([['Content-Type', contentType], ...this.#standing]);
        this.#fixed.set(contentType, fixed);
      }
      response.writeFixedHead(fixed);
      return;
    }
    if (status !== 200) response.writeStatus(line);
    this.#writeAll(response, contentType, headers ?? {});
  }

  #writeAll(response: Pick<EngineResponse, 'writeHeader'>, contentType: string, headers: ReplyHeaders): void {
    const names = new Set<string>();
    for (const name of Object.keys(headers)) {
      response.writeHeader(name, headers[name] ?? '');
      names.add(name.toLowerCase());
    }
    if (!names.has('content-type')) response.writeHeader('Content-Type', contentType);
    for (const [name, value] of this.#standing) {
      if (!names.has(name.toLowerCase())) response.writeHeader(name, value);
    }
  }
}

/** By status. */
const lines: string[] = [];

/** Reasons of replies that this server makes by itself: for the others the HTTP of Node.js is loaded, which takes milliseconds. */
const ownReasons: Readonly<Record<number, string>> = {
  200: 'OK',
  202: 'Accepted',
  204: 'No Content',
  303: 'See Other',
  304: 'Not Modified',
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  413: 'Payload Too Large',
  415: 'Unsupported Media Type',
  429: 'Too Many Requests',
  500: 'Internal Server Error',
  503: 'Service Unavailable',
  504: 'Gateway Timeout',
};

function reasonOf(status: number): string {
  const reason = ownReasons[status];
  if (reason !== undefined) return reason;
  const { STATUS_CODES } = process.getBuiltinModule('node:http');
  return STATUS_CODES[status] ?? 'Other';
}

/**
 * Status and reason phrase for a status line (RFC 9110 §15), such as `404 Not Found`.
 *
 * @throws RangeError when the status is no integer from 200 to 599: interim replies are the engine's
 */
export function statusLine(status: number): string {
  const known = lines[status];
  if (known !== undefined) return known;
  if (!Number.isInteger(status) || status < 200 || status > 599) {
    throw coded('ERR_REPLY', new RangeError(`status ${status} is not an integer from 200 to 599`));
  }
  const line = `${status} ${reasonOf(status)}`;
  lines[status] = line;
  return line;
}

/** Tells whether a reply of this status has neither body nor Content-Length (RFC 9110 §8.6, §15.3.5, §15.4.5). */
export function isBodiless(status: number): boolean {
  return status === 204 || status === 304;
}
