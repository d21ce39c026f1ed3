import type { IncomingMessage } from 'node:http';
import type { EngineRequest } from '../engine.js';

/** As many as uWebSockets.js takes. */
const mostFields = 98;

/** Bytes above 127, which Node.js gives as characters of Latin-1. */
const isAscii = (text: string): boolean => {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 127) return false;
  return true;
};

/** A text as UTF-8, which is what clients send. */
function utf8(text: string): string {
  return isAscii(text) ? text : Buffer.from(text, 'latin1').toString('utf8');
}

/** The head of a request, as Node.js has parsed it. */
export class NodeRequest implements EngineRequest {
  readonly path: string;
  /** Says why it cannot be served, undefined when it can. */
  readonly fault: readonly [status: number, reason: string] | undefined;
  readonly #query: string | undefined;
  readonly #fields: readonly string[];
  /** The host of an absolute target, which takes the place of the header (RFC 9112 §3.2.2). */
  readonly #host: string | undefined;

  constructor({ url = '', rawHeaders, httpVersion }: IncomingMessage) {
    this.#fields = rawHeaders;
    const { host, target } = splitTarget(utf8(url));
    this.#host = host;
    const question = target.indexOf('?');
    this.path = question === -1 ? target : target.slice(0, question);
    this.#query = question === -1 ? undefined : target.slice(question + 1);
    this.fault = this.#faultOf(httpVersion);
  }

  getQuery(): string | undefined {
    return this.#query;
  }

  getHeader(lowerCaseName: string): string {
    if (lowerCaseName === 'host' && this.#host !== undefined) return this.#host;
    const fields = this.#fields;
    for (let i = 0; i < fields.length; i += 2) {
      const name = fields[i] ?? '';
      if (name.length === lowerCaseName.length && name.toLowerCase() === lowerCaseName)
        return utf8(fields[i + 1] ?? '');
    }
    return '';
  }

  forEach(visit: (lowerCaseName: string, value: string) => void): void {
    const fields = this.#fields;
    for (let i = 0; i < fields.length; i += 2) visit((fields[i] ?? '').toLowerCase(), utf8(fields[i + 1] ?? ''));
  }

  /** Tells whether a refusal of it is best JSON. */
  get wantsJson(): boolean {
    return mentionsJson(`${this.getHeader('accept')} ${this.getHeader('content-type')}`);
  }

  #faultOf(version: string): readonly [status: number, reason: string] | undefined {
    if (version !== '1.1' && version !== '1.0') return [505, `HTTP/${version} is not served here; use HTTP/1.1`];
    const fields = this.#fields.length / 2;
    let hosts = 0;
    let isCoded = false;
    for (let i = 0; i < this.#fields.length; i += 2) {
      const name = (this.#fields[i] ?? '').toLowerCase();
      if (name === 'host') hosts += 1;
      else if (name === 'transfer-encoding') isCoded = true;
    }
    if (fields > mostFields) return [431, `${fields} header fields; the limit is ${mostFields}`];
    // RFC 9112 §3.2, §6.1.
    if (hosts > 1) return [400, `${hosts} Host headers; send one`];
    if (version === '1.0') return isCoded ? [400, 'HTTP/1.0 has no Transfer-Encoding; send Content-Length'] : undefined;
    return hosts === 1 ? undefined : [400, 'there is no Host header; HTTP/1.1 needs one'];
  }
}

/** Tells whether what came, or a part of it, names JSON. */
export function mentionsJson(text: string): boolean {
  return /application\/json/i.test(text);
}

/** Splits an absolute target into the host and what an origin server is asked for (RFC 9112 §3.2.2). */
function splitTarget(url: string): { readonly host: string | undefined; readonly target: string } {
  const [, host, rest] = /^[a-z][a-z0-9+.-]*:\/\/([^/?#]*)(.*)$/is.exec(url) ?? [];
  if (host === undefined || rest === undefined) return { host: undefined, target: url };
  return { host: host.slice(host.lastIndexOf('@') + 1), target: rest.startsWith('/') ? rest : `/${rest}` };
}
