import { shorten } from '../../base/text.js';
import type { EngineRequest } from '../engine/engine.js';

/** Methods whose requests have a body, so that their clients send its length even when it is 0 (RFC 9110 §8.6). */
const bodyMethods: ReadonlySet<string> = new Set(['POST', 'PUT', 'PATCH']);

/**
 * The part of a request head that decides about its framing, read in one pass over all header fields. One
 * object serves all requests of a server: it is only valid until the next head is read.
 *
 * An older engine takes the first of several Content-Length, and any transfer coding as chunked. A proxy
 * in front may decide otherwise and then disagree about where a request ends, so that anything but
 * plain framing is refused here, on every engine alike (RFC 9112 §6.3). The pass over all fields costs no
 * more than looking up those that are needed.
 */
export class RequestHead {
  /** Bytes of the body as announced; -1: not announced, and none unless {@link isChunked}. */
  contentLength = -1;
  isChunked = false;
  /** Value of Content-Type, '' when absent; the first one if it was repeated. */
  contentType = '';
  /** The media type of {@link contentType}. */
  mediaType = '';
  /** Value of Accept, '' when absent. */
  accept = '';
  /** Value of Accept-Encoding, '' when absent; joined if it was repeated. */
  acceptEncoding = '';
  /** Value of Content-Encoding, '' when absent; the first one if it was repeated. */
  contentEncoding = '';
  /** True when there is an Origin: browsers send it with what a page sends (Fetch §3.2). */
  hasOrigin = false;
  /** Value of Cookie, '' when absent; joined if it was repeated. */
  cookie = '';
  /**
   * The client asks that the connection closes after the reply: `Connection: close` (RFC 9112 §9.6). The engine closes at any
   * value of as many characters.
   */
  isLastAsked = false;
  /** Value of traceparent, '' when absent, and when it was repeated: then nothing tells which one is meant. */
  traceparent = '';
  /** Value of tracestate, '' when absent; joined if it was repeated. */
  tracestate = '';
  #traceparents = 0;
  #contentLengths = 0;
  #contentLength = '';
  #codings = 0;
  #coding = '';
  #contentTypes = 0;
  #authorizations = 0;

  /** The length tells first: nearly all fields are none of these. */
  readonly #visit = (name: string, value: string): void => {
    switch (name.length) {
      case 6:
        if (name === 'accept') this.accept = value;
        else if (name === 'origin') this.hasOrigin = true;
        else if (name === 'cookie') this.cookie = this.cookie === '' ? value : `${this.cookie};${value}`;
        break;
      case 10:
        if (name === 'connection') {
          if (closes(value)) this.isLastAsked = true;
        } else if (name === 'tracestate')
          this.tracestate = this.tracestate === '' ? value : `${this.tracestate},${value}`;
        break;
      case 11:
        if (name === 'traceparent') this.traceparent = this.#traceparents++ === 0 ? value : '';
        break;
      case 12:
        if (name === 'content-type' && this.#contentTypes++ === 0) this.contentType = value;
        break;
      case 13:
        if (name === 'authorization') this.#authorizations++;
        break;
      case 14:
        if (name === 'content-length' && this.#contentLengths++ === 0) this.#contentLength = value;
        break;
      case 15:
        if (name === 'accept-encoding') {
          this.acceptEncoding = this.acceptEncoding === '' ? value : `${this.acceptEncoding},${value}`;
        }
        break;
      case 16:
        if (name === 'content-encoding' && this.contentEncoding === '') this.contentEncoding = value;
        break;
      case 17:
        if (name === 'transfer-encoding' && this.#codings++ === 0) this.#coding = value;
        break;
    }
  };

  /**
   * Tells whether somebody in front might see another end of this request. The engine parses chunks leniently, and takes a
   * field without a name for the end of the head, which may hide a length: a request that should have one has none.
   */
  isEndDoubtful(method: string): boolean {
    return this.isChunked || (this.contentLength === -1 && bodyMethods.has(method));
  }

  /** @returns what is wrong with the framing; undefined when it is plain */
  read(request: EngineRequest): string | undefined {
    this.#contentLengths = 0;
    this.#codings = 0;
    this.#contentTypes = 0;
    this.#authorizations = 0;
    this.contentType = '';
    this.accept = '';
    this.acceptEncoding = '';
    this.contentEncoding = '';
    this.hasOrigin = false;
    this.cookie = '';
    this.isLastAsked = false;
    this.traceparent = '';
    this.tracestate = '';
    this.#traceparents = 0;
    request.forEach(this.#visit);
    this.mediaType = mediaTypeOf(this.contentType);
    this.isChunked = this.#codings > 0;
    this.contentLength = -1;
    if (this.#authorizations > 1) return `${this.#authorizations} Authorization headers; send one`;
    if (this.#contentLengths > 1) return `${this.#contentLengths} Content-Length headers; send one`;
    if (this.#codings > 1) return `${this.#codings} Transfer-Encoding headers; send one`;
    if (this.isChunked) {
      if (this.#contentLengths > 0) return 'both Content-Length and Transfer-Encoding; send one of them';
      const coding = JSON.stringify(shorten(this.#coding, 40));
      // The engine takes any coding for this one, whose name may come in any case (RFC 9112 §7).
      if (this.#coding.toLowerCase() !== 'chunked')
        return `transfer coding ${coding} is not supported; use chunked, or Content-Length`;
    }
    if (this.#contentLengths > 0) {
      const length = numberOf(this.#contentLength);
      // The engine has checked the digits already; this costs nothing and does not depend on it.
      if (!(length >= 0)) return 'Content-Length is not a number';
      this.contentLength = length;
    }
    return undefined;
  }
}

/** The number that digits are, NaN for anything else. `Number` would ask the runtime. */
function numberOf(digits: string): number {
  let number = 0;
  for (let at = 0; at < digits.length; at++) {
    const digit = digits.charCodeAt(at) - zero;
    if (digit < 0 || digit > 9) return Number.NaN;
    number = number * 10 + digit;
  }
  return number;
}

const zero = '0'.charCodeAt(0);

function closes(value: string): boolean {
  return value.length === 5 || closeOption.test(value);
}

const closeOption = /(?:^|,)[ \t]*close[ \t]*(?:,|$)/i;

/** Media type of a Content-Type value: lower case, parameters cut, '' when absent (RFC 9110 §8.3.1). */
export function mediaTypeOf(contentType: string): string {
  // The literal, since the hash of this text is known, and of the one received it is not.
  if (contentType === 'application/json') return 'application/json';
  const semicolon = contentType.indexOf(';');
  return (semicolon === -1 ? contentType : contentType.slice(0, semicolon)).trim().toLowerCase();
}

/** Most media ranges of a header that are looked at, and parameters of one: clients name a dozen, and each one costs time. */
const mostRanges = 64;
const mostParameters = 8;

/** Media ranges of an Accept value, or codings of an Accept-Encoding, weighed (RFC 9110 §12.4.2). */
export function weigher(accept: string): (...ranges: readonly string[]) => number {
  const weights = new Map<string, number>();
  for (const range of accept.toLowerCase().split(',', mostRanges)) {
    const [type = '', ...parameters] = range.split(';', mostParameters).map((part) => part.trim());
    const q = parameters.find((parameter) => parameter.startsWith('q='));
    if (!weights.has(type)) weights.set(type, q === undefined ? 1 : Number(q.slice(2)) || 0);
  }
  return (...ranges) => {
    const known = ranges.find((range) => weights.has(range));
    return known === undefined ? 0 : (weights.get(known) ?? 0);
  };
}

/** Tells whether JSON weighs more than HTML; clients that take anything get JSON too. */
export function prefersJson(accept: string): boolean {
  const weightOf = weigher(accept === '' ? '*/*' : accept);
  return weightOf('application/json', 'application/*', '*/*') > weightOf('text/html', 'text/*');
}

/** Tells whether JSON is asked for by its name, and not less than HTML by its own: `application/json, text/plain, *\/*`. */
export function namesJson(accept: string): boolean {
  // Most requests name nothing.
  if (accept === '' || accept === '*/*') return false;
  const weightOf = weigher(accept);
  const json = Math.max(...[...jsonTypes, ...linesTypes].map((type) => weightOf(type)));
  return json > 0 && json > weightOf('text/html', 'text/*');
}

/** Tells whether HTML is asked for by its name, as browsers do for a page. */
export function namesHtml(accept: string): boolean {
  return accept !== '' && accept !== '*/*' && weigher(accept)('text/html') > 0;
}

/** The type of lines of JSON, which has no registered name. */
export const linesType = 'application/x-ndjson';
const linesTypes = [linesType, 'application/ndjson', 'application/jsonl', 'application/x-jsonlines'];

/** Tells whether lines of JSON are asked for by name, and not less than JSON by its own. */
export function namesLines(accept: string): boolean {
  if (accept === '' || accept === '*/*') return false;
  const weightOf = weigher(accept);
  const lines = Math.max(...linesTypes.map((type) => weightOf(type)));
  return lines > 0 && lines >= weightOf('application/json');
}

const jsonTypes = ['application/json', 'application/json-rpc', 'application/jsonrpc', 'application/problem+json'];

/** Tells whether a media type, in lower case and without parameters, is one of JSON. */
export function isJsonType(mediaType: string): boolean {
  return jsonTypes.includes(mediaType) || mediaType.endsWith('+json') || mediaType === 'text/json';
}
