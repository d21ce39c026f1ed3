import { coded } from '../base/codes.js';

/** Method of a request: HEAD is GET without the body (RFC 9110 §9.3.2). */
export type Method = 'GET' | 'HEAD' | 'POST';

/** Headers of a reply; names and values are checked, so that none can split the response. */
export type ReplyHeaders = Readonly<Record<string, string>>;

/** All that a client is told of a defect of the server. */
export const internalError = 'internal error; the log of the server tells why';

/** Field names are tokens (RFC 9110 §5.6.2). */
const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

/** Characters that would end the line, or the string for some recipient: the engine sends values as they are. */
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
    if (!token.test(name))
      throw coded('ERR_REPLY', new TypeError(`reply header name ${JSON.stringify(name)} is not a token`));
    if (reserved.has(name.toLowerCase())) {
      throw coded('ERR_REPLY', new TypeError(`reply header ${name} is set by the HTTP layer; leave it out`));
    }
    const value: unknown = headers[name];
    if (typeof value !== 'string')
      throw coded('ERR_REPLY', new TypeError(`value of reply header ${name} is no string but ${typeof value}`));
    if (forbidden.test(value))
      throw coded('ERR_REPLY', new TypeError(`value of reply header ${name} contains CR, LF or NUL`));
  }
}

/** A named value of a query string or a form. */
export interface Field {
  readonly name: string;
  readonly value: string;
}

/** The result of one pull: bytes, none yet (empty), or the end (`null`). */
export type Chunk = Uint8Array | null;

/** The source that a streamed reply is pulled from, at the pace of its reader. */
export interface ChunkSource {
  /** Exact length of all chunks together, when known: sent as Content-Length. */
  readonly length?: number | undefined;
  /**
   * True when the reply goes on until its client leaves or the source ends it, as server-sent events do: no limit of time or
   * size holds but that of clients that do not read.
   */
  readonly isEndless?: boolean;
  /**
   * Gives the next chunk. One of at most 65536 bytes is copied or sent before anything else runs, so that
   * all sources of a server may share one buffer; a longer one must stay as it is until the next call.
   * An empty chunk means "nothing yet": asked again later, at growing intervals of up to 100 ms.
   * An error cuts the connection, so that nobody takes what was sent for the whole.
   */
  next(): Chunk | Promise<Chunk>;
  /** Called exactly once: at the end, on an error, or when the client leaves, even if `next` still runs. */
  release(): void;
}

/** Bytes of the largest chunk that every engine sends in one turn of the event loop when the length of a reply is unknown. */
export const chunkLimit = 65280;

/** Bytes of a reply that every engine sends in one piece with its head, so that its memory may be used again at once. */
export const shortReplySize = 14336;

/** Bytes up to which the body of a reply is sent or copied at once. A longer one is held until its client has read it. */
export const heldBodySize = 262144;

/** One HTTP request and its response, as the handler of a root sees it. */
export interface Exchange {
  readonly method: Method;
  /** The path behind the root: '', '/' or '/rest', percent-decoded once. */
  readonly path: string;
  /** The query behind the question mark, as received; '' without one. */
  readonly query: string;
  /** Media type of the body: lower case, parameters cut, '' when absent. */
  readonly mediaType: string;
  /** True when it is JSON, or asks for JSON by name (Accept): then a refusal is best JSON too. */
  readonly wantsJson: boolean;
  /** True when it asks for lines of JSON by name (`Accept: application/x-ndjson`), and not less than for JSON. */
  readonly wantsLines: boolean;
  /** The body. With `borrowBody` it is only valid until `onRequest` returns; otherwise it is the handler's own. */
  readonly body: Uint8Array;
  /** The same bytes as they lie, where they may be handed on without a view of them being made. */
  readonly lentBody: Uint8Array | ArrayBuffer;
  /** GET: the arguments of the query; POST: the fields of a form. Decoded, in order of appearance. */
  readonly fields: readonly Field[];
  /** True when it has an Origin, which browsers send with what a page sends. */
  readonly hasOrigin: boolean;
  /** Address of the other end of the connection, '' once it is gone; never one that a proxy reports. */
  readonly remoteAddress: string;
  /** Where it comes from: an address, `local` by a Unix socket, `unknown` where the engine gives no address. */
  readonly origin: string;
  /** True when it came by a Unix socket. */
  readonly isUnix: boolean;
  /** True when the connection is TLS. */
  readonly isSecure: boolean;
  /** The listener it came by, as it is set: `https:127.0.0.1:8443`, `unix:/run/x.sock`. */
  readonly listener: string;
  /** The caller; undefined where the listener lets everybody do everything. */
  readonly caller: Caller | undefined;
  /** True when nothing can be replied any more: a reply was made (or begun), or the client left. */
  readonly finished: boolean;
  /** Aborted when the client leaves before its reply has ended, the deadline passes, or the server stops. */
  readonly signal: AbortSignal;
  /** Called once when the client leaves, or is cut, before its reply has ended. */
  onGone: (() => void) | undefined;
  /** A name for the log, beside the root, where the reply fails or is given up, such as a command. */
  about?: string | undefined;

  /** The first field of exactly that name. */
  argument(name: string): string | undefined;
  /** All values of fields of exactly that name. */
  arguments(name: string): string[];
  /**
   * Value of a request header, the first one if it was repeated.
   * @throws TypeError when the root does not declare it in `headers`: nothing else is kept
   */
  header(name: string): string | undefined;

  /**
   * Replies. A body of more than {@link heldBodySize} bytes is held, not copied, and sent as fast as the client reads.
   *
   * @param status 200 to 599
   * @returns false when {@link finished}: nothing was sent
   * @throws TypeError naming the header that is not allowed: bad characters, or framing, which is not the handler's
   */
  reply(status: number, body?: string | Uint8Array, headers?: ReplyHeaders): boolean;
  /** Replies with what the root's `onFlush` gives. Does nothing when {@link finished}. */
  flush(status: number, headers?: ReplyHeaders): void;
  /** Replies with what `source` gives. When {@link finished}, the source is released at once. */
  stream(status: number, source: ChunkSource, headers?: ReplyHeaders): void;
  /**
   * The handler promises to keep no reference to this exchange, nor to anything that uses it. If the reply ends before
   * the handler returns, the object serves the next request.
   */
  letReuse(): void;
  /** Replies with a short body that tells `reason`, in the root's content type (its `refuse`). */
  refuse(status: number, reason: string, headers?: ReplyHeaders): void;
}

/** The caller of a request, as far as the listener knows. */
export interface Caller {
  /** Name of the user or token; `-` where nobody has to log in. */
  readonly name: string;
  readonly method: 'none' | 'basic' | 'bearer' | 'certificate' | 'session';
  /** The name of the session of its browser, which lets nobody in; undefined where it has not logged in by our page. */
  readonly session?: string | undefined;
  /** The permission of the caller: a word that only the handlers of roots understand. */
  readonly grant: string;
  /** The user of the client's certificate, beside which this one has logged in; undefined without both. */
  readonly certificate?: string | undefined;
}
