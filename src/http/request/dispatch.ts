import { formatAddress, originOf } from '../../base/address.js';
import type { Log } from '../../base/log.js';
import { shorten } from '../../base/text.js';
import type { BodyPool } from '../../native/native.js';
import type { UwsHandlers, UwsRequest, UwsResponse } from '../engine/app.js';
import { enterClosable, leaveClosable, onLaterTurn } from '../engine/closing.js';
import type { Method, ReplyHeaders } from '../exchange.js';
import type { Connections } from '../limits/connections.js';
import { Counter, type HttpCounters } from '../limits/counters.js';
import { Pipelining } from '../limits/pipelining.js';
import { ReadProbe } from '../limits/read-probe.js';
import type { ListenerOptions } from '../listen/listener.js';
import type { ListenSetting } from '../listen/setting.js';
import { type Admission, type ArrivingRequest, Denial } from '../login/access.js';
import { decodePath, type Root, type RootMatch, type RootRegistry } from '../roots.js';
import { BodyReceiver } from './body.js';
import { FieldError } from './forms.js';
import { RequestHead } from './head.js';
import { type ExchangeHost, HttpExchange, holdUntilAdmitted } from './http-exchange.js';
import { HeadRefusals, Refusals } from './refusal.js';
import { StandingHeaders } from './reply-head.js';
import type { StreamLimits } from './stream.js';

/** What a dispatcher is set to. */
interface DispatcherOptions {
  readonly roots: RootRegistry;
  readonly connections: Connections;
  readonly bodies: BodyPool;
  /** Largest body that is accepted, bytes. */
  readonly maxBody: number;
  readonly flushLimit: number;
  readonly limits: StreamLimits;
  /** Seconds for which browsers that came by TLS use nothing else; 0: they are not told. */
  readonly stayEncrypted: number;
  /** Body of a refusal in JSON where a root has no other. */
  readonly jsonRefusal: ((status: number, reason: string) => string) | undefined;
  readonly counters: HttpCounters;
  readonly log: Log;
}

/** One is enough, unless a handler makes something of its own happen. */
const mostIdle = 16;

/** Longest part of a path that an error repeats. */
const shownPath = 200;

/** Takes requests from the engine, refuses what may not pass, and gives the rest to their roots as exchanges. */
export class Dispatcher implements ExchangeHost {
  readonly counters: HttpCounters;
  readonly log: Log;
  readonly flushLimit: number;
  readonly limits: StreamLimits;
  readonly refusals: Refusals;
  readonly #plain = new StandingHeaders(0);
  readonly #encrypted: StandingHeaders;
  readonly #roots: RootRegistry;
  readonly #connections: Connections;
  readonly #bodies: BodyReceiver;
  readonly probe = new ReadProbe();
  readonly #pipelining = new Pipelining();
  readonly #head = new RequestHead();
  readonly #arrival = new Arrival();
  readonly #headRefusals: HeadRefusals;
  /** Exchanges that serve another request. */
  readonly #idle: HttpExchange[] = [];
  /** Made once: what a function sees of another is made at each call of that. */
  readonly #dispatchHeld = (exchange: HttpExchange): void => this.#dispatch(exchange);
  /** Of the request whose head is {@link #head}. */
  #admission: Admission;

  constructor(options: DispatcherOptions) {
    this.counters = options.counters;
    this.log = options.log;
    this.flushLimit = options.flushLimit;
    this.limits = options.limits;
    this.#roots = options.roots;
    this.#connections = options.connections;
    this.#bodies = new BodyReceiver(
      options.bodies,
      options.maxBody,
      (exchange) => this.#dispatch(exchange),
      (exchange) => this.#dispatchLater(exchange),
      this.#pipelining,
      options.log,
    );
    this.refusals = new Refusals(options.jsonRefusal, options.log);
    this.#encrypted = new StandingHeaders(options.stayEncrypted);
    this.#headRefusals = new HeadRefusals(options.connections, options.counters, this.refusals, options.log);
  }

  get isStopping(): boolean {
    return this.#connections.isStopping;
  }

  standing({ setting }: ListenerOptions): StandingHeaders {
    return setting.kind === 'https' ? this.#encrypted : this.#plain;
  }

  freeBody(slot: number): void {
    this.#bodies.free(slot);
  }

  exchangeEnded(isClosing: boolean, isTold: boolean): void {
    this.#connections.exchangeEnded(isClosing, isTold);
  }

  /** Handlers of the engine for the requests of a listener: nothing may be thrown back into it. */
  handlersFor(listener: ListenerOptions): Pick<UwsHandlers, 'request' | 'posts'> {
    const guarded =
      (handle: (response: UwsResponse, request: UwsRequest) => void) =>
      (response: UwsResponse, request: UwsRequest): void => {
        const before = enterClosable();
        try {
          handle(response, request);
        } catch (error) {
          this.#handleFailed(listener, response, error);
        } finally {
          leaveClosable(before);
        }
      };
    return {
      request: guarded((response, request) => {
        const path = request.getUrl();
        this.#handle(listener, response, request, request.getCaseSensitiveMethod(), path, this.#roots.findCommon(path));
      }),
      posts: this.#roots.newestFirst.map(({ declaration: { root } }) => {
        const path = `/${root}`;
        const match = this.#roots.findCommon(path);
        return {
          path,
          request: guarded((response, request) => this.#handle(listener, response, request, 'POST', path, match)),
        };
      }),
    };
  }

  #handleFailed(listener: ListenerOptions, response: UwsResponse, error: unknown): void {
    this.log.error({ err: error }, 'a request failed before it reached its handler');
    this.#admission = undefined;
    try {
      this.#refuse(listener, response, 'GET', undefined, 500, 'internal error; the log of the server tells why', true);
    } catch {
      // It has been answered already.
    }
  }

  #handle(
    listener: ListenerOptions,
    response: UwsResponse,
    request: UwsRequest,
    method: string,
    path: string,
    common: RootMatch | undefined,
  ): void {
    this.counters.add(Counter.requests, 1);
    this.#pipelining.count();
    const head = this.#head;
    const badFraming = head.read(request);
    this.#admission = undefined;
    let match = common;
    if (badFraming !== undefined) {
      this.#refuse(listener, response, method, match?.root, 400, badFraming, true);
      return;
    }
    if (listener.access !== undefined) {
      const admission = listener.access.check(this.#arrival.of(listener.setting.kind, response, request));
      if (admission instanceof Denial) {
        if (admission.isOfAddress) this.#connections.excludedAsked();
        this.#refuse(
          listener,
          response,
          method,
          match?.root,
          admission.status,
          admission.reason,
          true,
          admission.headers,
        );
        return;
      }
      this.#admission = admission;
    }
    if (match === undefined) {
      const decoded = decodePath(path);
      if (decoded === undefined) {
        this.#refuse(
          listener,
          response,
          method,
          undefined,
          400,
          'the path has a malformed percent escape, or one that is not UTF-8',
        );
        return;
      }
      match = this.#roots.find(decoded);
      if (match === undefined) {
        this.#refuse(listener, response, method, undefined, 404, this.#notFound(path));
        return;
      }
    }
    const { root } = match;
    const isPost = method === 'POST';
    if (isPost ? !root.servesPost : !((method === 'GET' || method === 'HEAD') && root.servesGet)) {
      const reason = `method ${shorten(method, 20)} is not served here; use ${root.allow}`;
      this.#refuse(listener, response, method, root, 405, reason, false, { Allow: root.allow });
    } else if (head.contentLength > this.#bodies.max) {
      this.#refuse(
        listener,
        response,
        method,
        root,
        413,
        this.#bodies.tooLarge(`of ${head.contentLength} bytes`),
        true,
      );
    } else if (!isPost && root.declaration.refusesGetBody === true && (head.isChunked || head.contentLength > 0)) {
      // It may be a call that was meant to be a POST, and what it asks for is not looked at.
      this.#refuse(listener, response, method, root, 400, `a ${method} request has no body here; POST it`);
    } else if (isPost && isEncoded(head.contentEncoding)) {
      const reason = `Content-Encoding ${JSON.stringify(shorten(head.contentEncoding, 40))} is not supported; send the body as it is`;
      this.#refuse(listener, response, method, root, 415, reason, false, { 'Accept-Encoding': 'identity' });
    } else if (isPost && root.declaration.accepts?.(head.mediaType) === false) {
      this.#refuse(
        listener,
        response,
        method,
        root,
        415,
        `content type ${quoteType(head.mediaType)} is not accepted here`,
      );
    } else {
      this.#accept(listener, response, request, match, method as Method);
    }
  }

  #accept(
    listener: ListenerOptions,
    response: UwsResponse,
    request: UwsRequest,
    match: RootMatch,
    method: Method,
  ): void {
    const head = this.#head;
    // A form has what it asks for in its body.
    const query = method === 'POST' && match.root.declaration.ignoresQuery === true ? '' : (request.getQuery() ?? '');
    const exchange = this.#idle.pop() ?? new HttpExchange(this, listener, match.root, response);
    exchange.begin(response, listener, match, method, query, head);
    response.onAborted(exchange.aborted);
    this.#connections.exchangeBegan();
    // What follows might not be what the engine takes it for.
    exchange.mustClose = head.isEndDoubtful(method) || this.probe.isLastDue();
    try {
      this.#begin(exchange, response, request);
    } catch (error) {
      this.#failed(exchange, error);
    }
  }

  #begin(exchange: HttpExchange, response: UwsResponse, request: UwsRequest): void {
    const { isChunked, contentLength } = this.#head;
    const admission = this.#admission;
    if (admission instanceof Promise) {
      holdUntilAdmitted(exchange, admission, this.#dispatchHeld);
    } else {
      exchange.caller = admission;
    }
    exchange.keepHeaders(request);
    if (exchange.method === 'POST' && (isChunked || contentLength > 0)) {
      exchange.isCorked = false;
      response.onData(exchange.bodyPiece);
    } else if (exchange.mustClose || this.#pipelining.isTurnLong()) {
      this.#dispatchLater(exchange);
    } else {
      this.#dispatch(exchange);
    }
  }

  bodyPiece(exchange: HttpExchange, piece: ArrayBuffer, isLast: boolean): void {
    const before = enterClosable();
    try {
      this.#bodies.receive(exchange, piece, isLast);
    } catch (error) {
      this.#failed(exchange, error);
    } finally {
      leaveClosable(before);
    }
  }

  /** This layer failed before a handler took over; the rest of the body, if there is one, is dropped. */
  #failed(exchange: HttpExchange, error: unknown): void {
    exchange.isBodyRefused = true;
    if (!exchange.mustClose) {
      exchange.handlerFailed(error);
      return;
    }
    exchange.isCorked = false;
    onLaterTurn(
      () => exchange.handlerFailed(error),
      () => exchange.cut(error),
    );
  }

  /** Dispatches a request after which the connection closes if anything follows it, see {@link onLaterTurn}. */
  #dispatchLater(exchange: HttpExchange): void {
    exchange.isCorked = false;
    onLaterTurn(
      () => {
        if (!exchange.finished) this.#dispatch(exchange);
      },
      (error) => exchange.cut(error),
    );
  }

  #dispatch(exchange: HttpExchange): void {
    if (exchange.isHeld) {
      exchange.isCorked = false;
      exchange.isWhole = true;
      return;
    }
    const { declaration } = exchange.root;
    this.counters.add(Counter.bytesIn, exchange.lentBody.byteLength);
    try {
      exchange.readFields();
      const result: unknown = declaration.onRequest(exchange);
      // Handlers in JavaScript return all sorts of things, such as what reply() gave.
      if (result instanceof Promise) result.catch((error: unknown) => exchange.handlerFailed(error));
    } catch (error) {
      if (error instanceof FieldError) exchange.refuseItself(error.status, error.message);
      else exchange.handlerFailed(error);
    }
    exchange.settle();
    if (exchange.isFree && this.#idle.length < mostIdle) this.#idle.push(exchange);
  }

  /** Refuses by the head alone. A body of unknown length is not waited for: the connection closes. */
  #refuse(
    listener: ListenerOptions,
    response: UwsResponse,
    method: string,
    root: Root | undefined,
    status: number,
    reason: string,
    mustClose = false,
    headers?: ReplyHeaders,
  ): void {
    const { contentLength, mediaType, wantsJson, isLastAsked } = this.#head;
    const isDoubtful = this.#head.isEndDoubtful(method) || contentLength > this.#bodies.max;
    this.probe.count(reason.length);
    this.#headRefusals.send(response, {
      method,
      mediaType,
      wantsJson,
      root,
      status,
      reason,
      headers,
      isLast: mustClose || isDoubtful || this.probe.isLastDue() || this.#pipelining.isTurnLong(),
      isLastAsked,
      admission: this.#admission,
      standing: this.standing(listener),
    });
  }

  #notFound(path: string): string {
    const shown = shorten(path, shownPath, '...');
    const roots = this.#roots.newestFirst.map(({ declaration }) => `/${declaration.root}`).join(', ');
    return `no root path serves ${JSON.stringify(shown)}; there are: ${roots || 'none'}`;
  }
}

/** Whether a body is not as it is (RFC 9110 §8.4). */
function isEncoded(contentEncoding: string): boolean {
  return contentEncoding !== '' && contentEncoding.toLowerCase() !== 'identity';
}

function quoteType(mediaType: string): string {
  return mediaType === '' ? '(none)' : JSON.stringify(shorten(mediaType, 80));
}

/** A request as its access is decided on. One object serves all requests: it is only valid until the next. */
class Arrival implements ArrivingRequest {
  #kind: ListenSetting['kind'] = 'http';
  #response: UwsResponse | undefined;
  #request: UwsRequest | undefined;

  of(kind: ListenSetting['kind'], response: UwsResponse, request: UwsRequest): this {
    this.#kind = kind;
    this.#response = response;
    this.#request = request;
    return this;
  }

  get authorization(): string {
    return this.#request?.getHeader('authorization') ?? '';
  }

  get origin(): string {
    const isUnix = this.#kind === 'unix';
    if (isUnix || this.#response === undefined) return originOf(isUnix, '');
    return originOf(false, formatAddress(new Uint8Array(this.#response.getRemoteAddress())));
  }

  get path(): string {
    return this.#request?.getUrl() ?? '';
  }
}
