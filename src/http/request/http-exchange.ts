import { formatAddress, originOf } from '../../base/address.js';
import { LazyAbort } from '../../base/lazy-abort.js';
import type { Log } from '../../base/log.js';
import type { UwsRequest, UwsResponse } from '../engine/app.js';
import { closeConnection, mayClose, onLaterTurn } from '../engine/closing.js';
import {
  type Caller,
  type ChunkSource,
  corkedWithHeadSize,
  type Exchange,
  type Field,
  heldBodySize,
  type Method,
  type ReplyHeaders,
} from '../exchange.js';
import { Counter, type HttpCounters } from '../limits/counters.js';
import type { ReadProbe } from '../limits/read-probe.js';
import type { ListenerOptions } from '../listen/listener.js';
import { settingName } from '../listen/setting.js';
import { Denial } from '../login/access.js';
import type { Root, RootMatch } from '../roots.js';
import { isJsonType, namesJson } from './accept.js';
import { beginsAsJson, FieldError, maxFormBytes, parseMultipart, parseQuery, parseUrlencoded } from './forms.js';
import type { RequestHead } from './head.js';
import type { Refusals } from './refusal.js';
import { checkReplyHeaders, isBodiless, type StandingHeaders, statusLine, writeReplyHead } from './reply-head.js';
import { FlushedBody, HeldBody, ReplyStream, type StreamLimits, type StreamOwner } from './stream.js';

const noBytes = new Uint8Array(0);
const noFields: readonly Field[] = [];

const multipart = 'multipart/form-data';

/** Whether a POST body of this type is a form, which any page can send anywhere. */
export function isFormType(mediaType: string): boolean {
  return mediaType === 'application/x-www-form-urlencoded' || mediaType === multipart;
}

/** The request of an exchange: what is kept of it, since the engine's own object is gone when its handler returns. */
class ReceivedRequest {
  fields: readonly Field[] = noFields;
  caller: Caller | undefined = undefined;
  hasOrigin = false;
  /** Whether its caller is not known yet: it is not handed to its root before. */
  isHeld = false;
  /** Whether it could be handed to its root but for {@link isHeld}. */
  isWhole = false;
  method: Method = 'GET';
  path = '';
  query = '';
  mediaType = '';
  /** Content-Type as received. */
  #contentType = '';
  #accept = '';
  #body: Uint8Array | ArrayBuffer = noBytes;
  #kept: readonly string[] | undefined;

  constructor(
    public via: ListenerOptions,
    public root: Root,
  ) {}

  /** Begins another request; nothing stays of the one before. */
  protected beginRequest(
    via: ListenerOptions,
    { root, rest }: RootMatch,
    method: Method,
    query: string,
    head: RequestHead,
  ): void {
    this.via = via;
    this.root = root;
    this.method = method;
    this.path = rest;
    this.query = query;
    this.mediaType = head.mediaType;
    this.hasOrigin = head.hasOrigin;
    this.fields = noFields;
    this.caller = undefined;
    this.isHeld = false;
    this.isWhole = false;
    this.#contentType = head.contentType;
    this.#accept = head.accept;
    this.#body = noBytes;
    this.#kept = undefined;
  }

  get body(): Uint8Array {
    if (!(this.#body instanceof Uint8Array)) this.#body = new Uint8Array(this.#body);
    return this.#body;
  }

  get lentBody(): Uint8Array | ArrayBuffer {
    return this.#body;
  }

  get isUnix(): boolean {
    return this.via.setting.kind === 'unix';
  }

  get wantsJson(): boolean {
    return isJsonType(this.mediaType) || namesJson(this.#accept) || beginsAsJson(this.body);
  }

  get isSecure(): boolean {
    return this.via.setting.kind === 'https';
  }

  get listener(): string {
    return settingName(this.via.setting);
  }

  argument(name: string): string | undefined {
    return this.fields.find((field) => field.name === name)?.value;
  }

  arguments(name: string): string[] {
    return this.fields.filter((field) => field.name === name).map(({ value }) => value);
  }

  header(name: string): string | undefined {
    const index = this.root.keptHeaders.indexOf(name.toLowerCase());
    if (index === -1) {
      const { module, root } = this.root.declaration;
      throw new TypeError(
        `request header ${name} is not kept; add it to the headers of root "${root}" of module ${module}`,
      );
    }
    return this.#kept?.[index] || undefined;
  }

  /**
   * Decodes {@link fields} of the whole body, or of the query.
   * @throws FieldError for a malformed form
   */
  readFields(): void {
    const { method, query, mediaType } = this;
    if (method !== 'POST') {
      if (query !== '') this.fields = parseQuery(query);
    } else if (this.root.declaration.body !== 'raw' && isFormType(mediaType)) {
      // Clients such as curl say that it is a form unless told otherwise; nobody may take a page for the result of a call.
      if (beginsAsJson(this.body)) throw new FieldError(415, `the body is JSON, and Content-Type says ${mediaType}`);
      if (this.body.length > maxFormBytes) {
        throw new FieldError(413, `a form of ${this.body.length} bytes is over the limit of ${maxFormBytes} bytes`);
      }
      this.fields = mediaType === multipart ? parseMultipart(this.body, this.#contentType) : parseUrlencoded(this.body);
    }
  }

  /** Keeps the headers that the root asks for. */
  keepHeaders(request: UwsRequest): void {
    const { keptHeaders, declaration } = this.root;
    if (keptHeaders.length === 0) return;
    if (declaration.keepsHeaders?.(this) !== false) this.#kept = keptHeaders.map((name) => request.getHeader(name));
  }

  /** Takes the whole body, or one that is lent until {@link dropBody}. */
  takeBody(body: Uint8Array | ArrayBuffer): void {
    this.#body = body;
  }

  /** Takes back a body that was only lent. */
  dropBody(): void {
    this.#body = noBytes;
  }
}

/** What the exchanges of one server share. */
export interface ExchangeHost {
  readonly counters: HttpCounters;
  readonly log: Log;
  /** Most bytes a flush handler is asked for at once. */
  readonly flushLimit: number;
  readonly limits: StreamLimits;
  readonly isStopping: boolean;
  readonly probe: ReadProbe;
  readonly refusals: Refusals;
  standing(listener: ListenerOptions): StandingHeaders;
  freeBody(slot: number): void;
  /** A piece of the body of an exchange, which is only lent. */
  bodyPiece(exchange: HttpExchange, piece: ArrayBuffer, isLast: boolean): void;
  /**
   * @param isClosing whether the connection closes by itself when the reply has been sent
   * @param isTold whether the engine tells of the reply: one with a body of known length
   */
  exchangeEnded(isClosing: boolean, isTold: boolean): void;
}

/** Timers take a signed 32-bit number of milliseconds. */
const longestTimer = 2 ** 31 - 1;

/** Open: nothing replied. Replying: a stream runs. Ended: replied, or the client left. */
type State = 'open' | 'replying' | 'ended';

/** An exchange on the engine. What {@link Exchange} does not show is for the layer itself. */
export class HttpExchange extends ReceivedRequest implements Exchange, StreamOwner {
  onGone: (() => void) | undefined = undefined;
  about: string | undefined = undefined;
  /** Slot of the body pool while the body arrives; -1: none. */
  bodySlot = -1;
  /** Whether this runs within a callback of the engine for this response, where it is corked already. */
  isCorked = true;
  /** Whether the body was too large, so that the rest of it is dropped. */
  isBodyRefused = false;
  /** Whether the connection may not be used for another request. */
  mustClose = false;
  /** Whether the client asks that the connection closes after this reply: the engine closes, and leaves the header out. */
  isLastAsked = false;

  /** For the engine; made once, since an exchange may serve many requests. */
  readonly aborted = (): void => this.abort();
  readonly bodyPiece = (piece: ArrayBuffer, isLast: boolean): void => this.#host.bodyPiece(this, piece, isLast);

  readonly #host: ExchangeHost;
  #response: UwsResponse;
  #state: State = 'open';
  #abort: LazyAbort | undefined;
  #deadline: NodeJS.Timeout | undefined;
  #stream: ReplyStream | undefined;
  #status = 200;
  #headers: ReplyHeaders | undefined;
  #remoteAddress: string | undefined;
  /** Whether this layer cuts the connection itself: then no client has left. */
  #isCut = false;
  #isReleased = false;

  constructor(host: ExchangeHost, via: ListenerOptions, root: Root, response: UwsResponse) {
    super(via, root);
    this.#host = host;
    this.#response = response;
  }

  /** Begins with another request. */
  begin(
    response: UwsResponse,
    via: ListenerOptions,
    match: RootMatch,
    method: Method,
    query: string,
    head: RequestHead,
  ): void {
    this.beginRequest(via, match, method, query, head);
    this.onGone = undefined;
    this.bodySlot = -1;
    this.isCorked = true;
    this.isBodyRefused = false;
    this.mustClose = false;
    this.isLastAsked = head.isLastAsked;
    this.#response = response;
    this.#state = 'open';
    this.#abort = undefined;
    this.#deadline = undefined;
    this.#stream = undefined;
    this.#headers = undefined;
    this.#remoteAddress = undefined;
    this.#isCut = false;
    this.#isReleased = false;
  }

  /** Whether it has ended and nobody knows it any more: of one that is cut the engine may still tell something. */
  get isFree(): boolean {
    return this.#isReleased && this.#state === 'ended' && !this.#isCut;
  }

  release(): void {
    this.#isReleased = true;
  }

  get finished(): boolean {
    return this.#state !== 'open';
  }

  get remoteAddress(): string {
    if (this.#remoteAddress === undefined) {
      if (this.#state === 'ended') return '';
      this.#remoteAddress = formatAddress(new Uint8Array(this.#response.getRemoteAddress()));
    }
    return this.#remoteAddress;
  }

  get origin(): string {
    return originOf(this.isUnix, this.isUnix ? '' : this.remoteAddress);
  }

  get signal(): AbortSignal {
    this.#abort ??= new LazyAbort();
    return this.#abort.signal;
  }

  reply(status: number, body: string | Uint8Array = '', headers?: ReplyHeaders): boolean {
    if (headers !== undefined) checkReplyHeaders(headers);
    const line = statusLine(status);
    if (this.#state !== 'open') return false;
    if (this.closesAtEnd && !mayClose()) {
      this.#replyLater(status, body, headers);
      return true;
    }
    const length = typeof body === 'string' ? Buffer.byteLength(body) : body.length;
    const { probe } = this.#host;
    if (length === 0 || this.method === 'HEAD' || isBodiless(status)) {
      probe.count(0);
    } else if (length > heldBodySize || (length > corkedWithHeadSize && !this.#isClosing())) {
      this.#begin(status, new HeldBody(typeof body === 'string' ? Buffer.from(body) : body), headers)?.startNow();
      return true;
    } else if (probe.isDue(length) && !this.#isClosing()) {
      this.#begin(status, new HeldBody(Buffer.from(body)), headers)?.startNow();
      return true;
    }
    try {
      if (this.isCorked) this.#send(status, line, body, length, headers);
      else this.#response.cork(() => this.#send(status, line, body, length, headers));
      return true;
    } catch (error) {
      this.#sendFailed(error);
      return false;
    }
  }

  flush(status: number, headers?: ReplyHeaders): void {
    this.stream(status, new FlushedBody(this.root.declaration, this, this.#host.flushLimit), headers);
  }

  stream(status: number, source: ChunkSource, headers?: ReplyHeaders): void {
    try {
      if (headers !== undefined) checkReplyHeaders(headers);
      statusLine(status);
    } catch (error) {
      source.release();
      throw error;
    }
    if (this.#state !== 'open') {
      source.release();
    } else if (this.method === 'HEAD' || isBodiless(status)) {
      const { length } = source;
      source.release();
      if (this.closesAtEnd && !mayClose()) this.#later(() => this.#replyHeadOnly(status, length, headers));
      else this.#replyHeadOnly(status, length, headers);
    } else {
      this.#begin(status, source, headers)?.start();
    }
  }

  refuse(status: number, reason: string, headers?: ReplyHeaders, padding = 0): void {
    const { contentType, body, headers: own } = this.#host.refusals.of(this.root, status, reason, this);
    const all: Record<string, string> = { ...own, ...headers };
    // Behind the others, as where a request is refused by its head: nobody tells the one from the other.
    all['Content-Type'] ??= contentType;
    this.reply(status, body + ' '.repeat(padding), all);
  }

  // What follows is for the HTTP layer.

  /**
   * A refusal of the layer itself, which is counted.
   * @param padding blanks behind its body
   */
  refuseItself(status: number, reason: string, headers?: ReplyHeaders, padding = 0): void {
    if (this.#state !== 'open') return;
    this.#host.counters.add(Counter.refused, 1);
    this.refuse(status, reason, headers, padding);
  }

  /** The handler has returned: unless it has replied, the deadline begins to run. */
  settle(): void {
    this.isCorked = false;
    const { deadline } = this.root;
    if (this.#state !== 'open' || deadline === 0) return;
    this.#deadline = setTimeout(() => this.timedOut('source', false), Math.min(deadline, longestTimer));
  }

  get #what(): string {
    return this.about === undefined ? '' : `, ${this.about},`;
  }

  /** The handler failed: a stack for the log, no detail for the client. */
  handlerFailed(error: unknown): void {
    const { module, root } = this.root.declaration;
    this.#host.log.error({ err: error, root, path: this.path }, `root /${root} of module ${module} failed`);
    if (this.#state === 'open') this.refuse(500, 'internal error; the log of the server tells why');
  }

  /** Nothing can be replied any more, and nobody may take what was for the whole: the connection is cut. */
  cut(error: unknown): void {
    const { module, root } = this.root.declaration;
    const { about } = this;
    this.#host.log.error(
      { err: error, root, module, about },
      `reply of root /${root}${this.#what} failed; its connection is cut`,
    );
    this.#cut();
  }

  /** Closes the connection without a word: its client has been told why. */
  drop(): void {
    this.#cut();
  }

  /** The engine tells that the connection is gone. */
  abort(): void {
    if (this.#state === 'ended') return;
    if (!this.#isCut) this.#host.counters.add(Counter.aborted, 1);
    this.#end(true, false);
    this.#abortSignal(new Error(this.#host.isStopping ? 'the server stops' : 'the client left'));
    const { onGone } = this;
    this.onGone = undefined;
    try {
      onGone?.();
    } catch (error) {
      this.handlerFailed(error);
    }
    // After those who wait have been told why: what they wait for may be what the source waits for.
    this.#stream?.abort();
  }

  // What follows is for the stream of the reply.

  get limits(): StreamLimits {
    return this.#host.limits;
  }

  get sourcePatience(): number {
    return this.root.deadline;
  }

  /** Whether the connection closes with the end of the reply: because it must, or the client asks for it. */
  get closesAtEnd(): boolean {
    return this.isLastAsked || this.#isClosing();
  }

  writeHead(): void {
    this.#writeHead(this.#status, statusLine(this.#status), this.#headers);
    // The engine can close by itself only when a body is sent whole; here the client is asked to.
    if (this.#isClosing() || this.isLastAsked) this.#response.writeHeader('Connection', 'close');
  }

  sent(bytes: number): void {
    this.#host.counters.add(Counter.bytesOut, bytes);
  }

  ended(isLengthKnown: boolean): void {
    this.#end(false, isLengthKnown);
  }

  failed(error: unknown, isHeadSent: boolean): void {
    const { module, root } = this.root.declaration;
    this.#host.counters.add(Counter.streamErrors, 1);
    const { about } = this;
    this.#host.log.error({ err: error, root, module, about }, `streamed reply of root /${root}${this.#what} failed`);
    if (isHeadSent) this.#cut();
    else this.#refuseInstead(500, 'internal error; the log of the server tells why');
  }

  releaseFailed(error: unknown): void {
    this.#host.log.error({ err: error, root: this.root.declaration.root }, 'releasing the source of a reply failed');
  }

  timedOut(who: 'client' | 'source' | 'reply', isHeadSent: boolean): void {
    const { root } = this.root.declaration;
    const { clientPatience, replyPatience } = this.limits;
    const seconds = { client: clientPatience, source: this.sourcePatience, reply: replyPatience }[who] / 1000;
    const what = { client: 'the client read nothing', source: 'there was no answer', reply: 'it was not read whole' }[
      who
    ];
    this.#host.counters.add(Counter.timeouts, 1);
    const { about } = this;
    this.#host.log.warn(
      { root, seconds, about },
      `reply of root /${root}${this.#what} given up: ${what} for ${seconds} s`,
    );
    this.#abortSignal(new Error(`${what} for ${seconds} s`));
    if (isHeadSent || who !== 'source') this.#cut();
    else this.#refuseInstead(504, `no answer within ${seconds} s`);
  }

  /** @returns undefined when the engine refused, and that has been answered */
  #begin(status: number, source: ChunkSource, headers: ReplyHeaders | undefined): ReplyStream | undefined {
    clearTimeout(this.#deadline);
    this.#state = 'replying';
    this.#status = status;
    // A copy: what was checked is what is sent.
    this.#headers = headers === undefined ? undefined : { ...headers };
    try {
      this.#stream = new ReplyStream(this.#response, source, this);
    } catch (error) {
      source.release();
      this.failed(error, false);
    }
    return this.#stream;
  }

  /** Replies in a turn in which the connection may be closed. */
  #replyLater(status: number, body: string | Uint8Array, headers: ReplyHeaders | undefined): void {
    // Copies: what is given is only lent until this returns.
    const kept = typeof body === 'string' ? body : Uint8Array.from(body);
    const keptHeaders = headers === undefined ? undefined : { ...headers };
    this.#later(() => this.reply(status, kept, keptHeaders));
  }

  #later(reply: () => void): void {
    clearTimeout(this.#deadline);
    this.#state = 'replying';
    onLaterTurn(
      () => {
        if (this.#state !== 'replying') return;
        this.#state = 'open';
        reply();
      },
      (error) => this.cut(error),
    );
  }

  #replyHeadOnly(status: number, length: number | undefined, headers: ReplyHeaders | undefined): void {
    this.#host.probe.count(0);
    try {
      this.#response.cork(() => this.#sendHeadOnly(status, length, headers));
    } catch (error) {
      this.#sendFailed(error);
    }
  }

  /** The engine failed on the way: part of a head may have been written, so that no other reply can follow. */
  #sendFailed(error: unknown): void {
    if (this.#state !== 'ended') this.cut(error);
    else this.#host.log.error({ err: error, root: this.root.declaration.root }, 'the end of a reply failed');
  }

  #refuseInstead(status: number, reason: string): void {
    this.#state = 'open';
    this.#stream = undefined;
    this.refuse(status, reason);
  }

  #send(
    status: number,
    line: string,
    body: string | Uint8Array,
    length: number,
    headers: ReplyHeaders | undefined,
  ): void {
    if (this.method === 'HEAD' || isBodiless(status)) {
      this.#sendHeadOnly(status, length, headers);
      return;
    }
    const isClosing = this.#isClosing();
    this.#writeHead(status, line, headers);
    if (this.isLastAsked && !isClosing) this.#response.writeHeader('Connection', 'close');
    this.#response.end(body, isClosing);
    this.sent(length);
    this.#end(isClosing, length > 0);
  }

  /**
   * A reply without a body. The engine can then neither close nor take a length (it writes a wrong one), so that
   * the length is written as a header and the client is asked to close; where it must not go on, the engine closes
   * after a body of no bytes.
   */
  #sendHeadOnly(status: number, length: number | undefined, headers: ReplyHeaders | undefined): void {
    this.#writeHead(status, statusLine(status), headers);
    if (this.mustClose) {
      this.#response.end('', true);
    } else {
      if (length !== undefined && !isBodiless(status)) this.#response.writeHeader('Content-Length', String(length));
      if (this.#host.isStopping || this.isLastAsked) this.#response.writeHeader('Connection', 'close');
      this.#response.endWithoutBody();
    }
    this.#end(this.mustClose, false);
  }

  #writeHead(status: number, line: string, headers: ReplyHeaders | undefined): void {
    this.#host.counters.addReply(status);
    const { contentType } = this.root.declaration;
    writeReplyHead(this.#response, status, line, contentType, headers, this.#host.standing(this.via));
  }

  #isClosing(): boolean {
    return this.mustClose || this.#host.isStopping;
  }

  #abortSignal(reason: Error): void {
    this.#abort ??= new LazyAbort();
    this.#abort.abort(reason);
  }

  #cut(): void {
    this.#isCut = true;
    closeConnection(this.#response);
    this.abort();
  }

  #end(isClosing: boolean, isTold: boolean): void {
    this.#state = 'ended';
    if (this.#deadline !== undefined) clearTimeout(this.#deadline);
    const { bodySlot } = this;
    this.bodySlot = -1;
    this.#host.exchangeEnded(isClosing, isTold);
    if (bodySlot !== -1) this.#host.freeBody(bodySlot);
  }
}

/**
 * Keeps an exchange from its root until its caller is known; its body is received meanwhile.
 *
 * @param dispatch hands it to its root, when it is whole by then
 */
export function holdUntilAdmitted(
  exchange: HttpExchange,
  admission: Promise<Caller | Denial>,
  dispatch: (exchange: HttpExchange) => void,
): void {
  exchange.isHeld = true;
  admission.then((checked) => {
    onLaterTurn(
      () => {
        if (exchange.finished) return;
        exchange.isHeld = false;
        if (checked instanceof Denial) {
          deny(exchange, checked);
          return;
        }
        exchange.caller = checked;
        if (exchange.isWhole) dispatch(exchange);
      },
      (error) => exchange.cut(error),
    );
  });
}

function deny(exchange: HttpExchange, { status, reason, headers }: Denial): void {
  exchange.mustClose = true;
  exchange.isBodyRefused = true;
  exchange.refuseItself(status, reason, headers);
}
