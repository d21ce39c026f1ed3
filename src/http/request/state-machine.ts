import { originOf } from '../../base/address.js';
import { coded } from '../../base/codes.js';
import { abortReason, LazyAbort } from '../../base/lazy-abort.js';
import type { CodedLog } from '../../base/log.js';
import { OwnContext } from '../../base/own-context.js';
import { detailOf, shorten } from '../../base/text.js';
import type { BodyPool } from '../../native/bodies.js';
import { Compressor } from '../../native/compression.js';
import { Pushed } from '../../native/layout.js';
import type { EngineHandlers, EngineRequest, EngineResponse, Receiver } from '../engine/engine.js';
import { pipelinedTooMany } from '../engine/offenders.js';
import {
  type Caller,
  type ChunkSource,
  checkReplyHeaders,
  type Exchange,
  type Field,
  heldBodySize,
  internalError,
  type Method,
  type ReplyHeaders,
  shortReplySize,
} from '../exchange.js';
import type { Connections } from '../limits/connections.js';
import { Counter, type HttpCounters } from '../limits/counters.js';
import type { ListenerOptions } from '../listen/listener.js';
import { type ListenSetting, settingName } from '../listen/setting.js';
import { type Access, type ArrivingRequest, Denial } from '../login/access.js';
import { pageHeaders } from '../pages/html.js';
import { decodePath, nowhere, type Root, type RootMatch, type RootRegistry, type Service } from '../roots.js';
import {
  CompressedBody,
  type CompressionSettings,
  codedHeaders,
  type Negotiated,
  negotiate,
  weaklyTagged,
} from './compression.js';
import { beginsAsJson, FieldError, isFormType, parseForm, parseQuery } from './forms.js';
import { isJsonType, namesHtml, namesJson, namesLines, RequestHead } from './head.js';
import { type ConnectionEnds, ObservedChunks, type ReplyObserver } from './observe.js';
import { engineRefusal, Refusals } from './refusal.js';
import { isBodiless, ReplyHead, statusLine } from './reply-head.js';
import { FlushedBody, HeldBody, ReplyStream, type StreamLimits, type StreamOwner } from './stream.js';

/** The states of an exchange, in the order in which it passes them; it may leave any out. */
const State = {
  /** Its body arrives. */
  receiving: 0,
  /** Its body is whole, and its caller is not known yet. */
  whole: 1,
  /** Its root has it, and has not replied. */
  open: 2,
  /** This layer refuses it, now or in a later turn; what still arrives of its body is dropped. */
  refusing: 3,
  /** Its reply is a stream, or waits for a later turn. */
  replying: 4,
  /** Its reply has been sent, or its client has left. */
  ended: 5,
} as const;

type State = (typeof State)[keyof typeof State];

/** Handlers that are told that their client has left run in it: a store that one enters is not seen by later requests. */
const leaving = new OwnContext();

const noBytes = new Uint8Array(0);
const noFields: readonly Field[] = [];

/** Timers take a signed 32-bit number of milliseconds. */
const longestTimer = 2 ** 31 - 1;

/** Bytes of the longest body that is taken without a login: no more than the longest head. */
const longestOpenBody = 4096;

/** Longest part of a path that an error repeats. */
const shownPath = 200;

/** Settings and parts that the exchanges of one server share. */
export interface ExchangeSettings {
  readonly roots: RootRegistry;
  readonly connections: Connections;
  readonly bodies: BodyPool;
  /** Largest body that is accepted, bytes. */
  readonly maxBody: number;
  /** Most bytes a flush handler is asked for at once. */
  readonly flushLimit: number;
  readonly limits: StreamLimits;
  /** Seconds for which browsers that came by TLS use nothing else; 0: they are not told. */
  readonly stayEncrypted: number;
  /** Undefined: replies are sent as they are. */
  readonly compression: CompressionSettings | undefined;
  /** Body of a refusal in JSON where a root has no other. */
  readonly jsonRefusal: ((status: number, reason: string) => string) | undefined;
  readonly counters: HttpCounters;
  readonly log: CodedLog;
}

/** Makes the exchanges of a server, and holds what they share. */
export class Exchanges {
  readonly refusals: Refusals;
  /** Of the request that has come last. */
  readonly head = new RequestHead();
  readonly arrival = new Arrival();

  constructor(readonly settings: ExchangeSettings) {
    this.refusals = new Refusals(settings.jsonRefusal, settings.log);
  }

  /** Takes the requests of a listener. */
  handlersFor(
    listener: ListenerOptions,
  ): Pick<EngineHandlers, 'posts' | 'receiver' | 'refusal' | 'certificateRefused'> {
    const { roots, stayEncrypted } = this.settings;
    const replyHead = new ReplyHead(listener.setting.kind === 'https' ? stayEncrypted : 0);
    const { compression: given } = this.settings;
    const compression = listener.setting.kind !== 'unix' || given?.isForUnix === true ? given : undefined;
    return {
      posts: roots.newestFirst.flatMap(({ declaration: { root } }) => {
        const path = `/${root}`;
        const route = roots.findCommon(path);
        return route === undefined ? [] : [{ path, route }];
      }),
      receiver: (response) => new HttpExchange(this, listener, { replyHead, compression }, response),
      refusal: (status, reason, wantsJson) => engineRefusal(this.refusals, replyHead, status, reason, wantsJson),
      certificateRefused: (address, reason) => listener.access?.certificateRefused(originOf(false, address), reason),
    };
  }
}

/** The form of the replies of a listener. */
interface ReplyForm {
  readonly replyHead: ReplyHead;
  readonly compression: CompressionSettings | undefined;
}

/** One request and its response, from its head to the end of its reply; then the object serves another one. */
class HttpExchange implements Exchange, Receiver, StreamOwner {
  method: Method = 'GET';
  path = '';
  query = '';
  mediaType = '';
  hasOrigin = false;
  fields: readonly Field[] = noFields;
  caller: Caller | undefined = undefined;
  onGone: (() => void) | undefined = undefined;
  about: string | undefined = undefined;
  /** Told how the reply begins; see {@link observeReply}. */
  observer: ReplyObserver | undefined = undefined;
  /** Headers of the same names, '' without; see {@link CallSource} of mi. */
  traceparent = '';
  tracestate = '';

  readonly #host: Exchanges;
  readonly #settings: ExchangeSettings;
  readonly #via: ListenerOptions;
  readonly #replyHead: ReplyHead;
  readonly #compression: CompressionSettings | undefined;
  readonly #response: EngineResponse;
  #state: State = State.ended;
  #root: Root = nowhere;
  #service: Service = nowhere.declaration;
  #contentType = '';
  #accept = '';
  #acceptEncoding = '';
  #body: Uint8Array | ArrayBuffer = noBytes;
  #kept: readonly string[] | undefined;
  /** Slot of the body pool while the body arrives in pieces; -1: none. */
  #bodySlot = -1;
  /** Where the body of a request without a login arrives: those of others need the pool. */
  #openBody: Uint8Array | undefined;
  #openBytes = 0;
  /** What a browser gets in place of the reason of a refusal. */
  #page: (() => string) | undefined;
  /** True when the caller is not known yet: the request is not handed to its root before, nor told why it is refused. */
  #isHeld = false;
  /** The refusal of a request that is held. */
  #verdict: (() => void) | undefined;
  /** True when the connection may not be used for another request. */
  #mustClose = false;
  /** True when the client asks that the connection closes after the reply. */
  #isLastAsked = false;
  #abort: LazyAbort | undefined;
  #deadline: NodeJS.Timeout | undefined;
  #stream: ReplyStream | undefined;
  #status = 200;
  #headers: ReplyHeaders | undefined;
  #remoteAddress: string | undefined;
  /** True when this layer cuts the connection itself: then no client has left. */
  #isCut = false;
  #mayReuse = false;

  constructor(host: Exchanges, via: ListenerOptions, { replyHead, compression }: ReplyForm, response: EngineResponse) {
    this.#host = host;
    this.#settings = host.settings;
    this.#via = via;
    this.#replyHead = replyHead;
    this.#compression = compression;
    this.#response = response;
  }

  // The request, as handlers see it.

  get body(): Uint8Array {
    if (!(this.#body instanceof Uint8Array)) this.#body = new Uint8Array(this.#body);
    return this.#body;
  }

  get lentBody(): Uint8Array | ArrayBuffer {
    return this.#body;
  }

  get #wantsPage(): boolean {
    return namesHtml(this.#accept) && !namesJson(this.#accept);
  }

  get wantsJson(): boolean {
    return isJsonType(this.mediaType) || namesJson(this.#accept) || beginsAsJson(this.body);
  }

  get wantsLines(): boolean {
    return namesLines(this.#accept);
  }

  get isUnix(): boolean {
    return this.#via.setting.kind === 'unix';
  }

  get isSecure(): boolean {
    return this.#via.setting.kind === 'https';
  }

  get listener(): string {
    return settingName(this.#via.setting);
  }

  get remoteAddress(): string {
    if (this.#remoteAddress === undefined) {
      if (this.#state === State.ended) return '';
      this.#remoteAddress = this.#response.remoteAddress;
    }
    return this.#remoteAddress;
  }

  get origin(): string {
    return originOf(this.isUnix, this.isUnix ? '' : this.remoteAddress);
  }

  /** 0 where it is not known. */
  get remotePort(): number {
    return this.#state === State.ended ? 0 : this.#response.remotePort;
  }

  /** That of the listener. */
  get setting(): ListenSetting {
    return this.#via.setting;
  }

  /** That of the client, for its access. */
  get certificate(): Uint8Array | undefined {
    return this.#response.certificate;
  }

  get finished(): boolean {
    return this.#state >= State.replying;
  }

  get signal(): AbortSignal {
    this.#abort ??= new LazyAbort();
    return this.#abort.signal;
  }

  argument(name: string): string | undefined {
    return this.fields.find((field) => field.name === name)?.value;
  }

  arguments(name: string): string[] {
    return this.fields.filter((field) => field.name === name).map(({ value }) => value);
  }

  header(name: string): string | undefined {
    const index = this.#root.keptHeaders.indexOf(name.toLowerCase());
    if (index === -1) {
      const { module, root } = this.#root.declaration;
      throw coded(
        'ERR_REPLY',
        new TypeError(
          `request header ${name} is not kept; add it to the headers of root "${root}" of module ${module}`,
        ),
      );
    }
    return this.#kept?.[index] || undefined;
  }

  // The head has come: the request is refused by it, or accepted.

  request(request: EngineRequest, method: string, path: string, route: object | undefined): void {
    const { roots, connections, counters } = this.#settings;
    counters.add(Counter.requests, 1);
    connections.exchangeBegan();
    // A route is what the registry found, and only a method that is served reaches a handler.
    const match = (route as RootMatch | undefined) ?? roots.findCommon(path);
    this.#reuse(method as Method, match);
    try {
      this.#response.watch();
      this.#judge(request, path, match !== undefined);
    } catch (error) {
      this.#settings.log.error(
        { code: 'request-failed', err: error },
        'a request failed before it reached its handler',
      );
      this.#failedEarly();
    }
  }

  /** Begins another request; nothing stays of the one before. */
  #reuse(method: Method, match: RootMatch | undefined): void {
    this.method = method;
    this.path = match === undefined ? '' : match.rest;
    this.query = '';
    this.mediaType = '';
    this.hasOrigin = false;
    this.fields = noFields;
    this.caller = undefined;
    this.onGone = undefined;
    this.about = undefined;
    this.observer = undefined;
    this.#state = State.receiving;
    this.#root = match === undefined ? nowhere : match.root;
    this.#contentType = '';
    this.#accept = '';
    this.#acceptEncoding = '';
    this.#body = noBytes;
    this.#kept = undefined;
    this.#bodySlot = -1;
    this.#openBody = undefined;
    this.#openBytes = 0;
    this.#page = undefined;
    this.#isHeld = false;
    this.#verdict = undefined;
    this.#mustClose = false;
    this.#isLastAsked = false;
    this.#abort = undefined;
    this.#deadline = undefined;
    this.#stream = undefined;
    this.#headers = undefined;
    this.#remoteAddress = undefined;
    this.#isCut = false;
    this.#mayReuse = false;
  }

  #judge(request: EngineRequest, path: string, isFound: boolean): void {
    const { head } = this.#host;
    const wrongFraming = head.read(request);
    this.mediaType = head.mediaType;
    this.hasOrigin = head.hasOrigin;
    this.#contentType = head.contentType;
    this.#accept = head.accept;
    this.#acceptEncoding = head.acceptEncoding;
    this.#isLastAsked = head.isLastAsked;
    this.traceparent = head.traceparent;
    this.tracestate = head.tracestate;
    if (wrongFraming !== undefined) {
      this.#refuseByHead(400, wrongFraming, undefined, true);
      return;
    }
    const { access } = this.#via;
    if (access !== undefined) {
      const isOpen = this.#root.isOpen && (access.hasSessions || this.#root.isOpenEverywhere);
      if (isOpen ? !this.#isAddressLetIn(access) : !this.#isLetIn(request, path)) return;
    }
    if (!isFound && !this.#findRoot(path)) return;
    const { method } = this;
    const root = this.#root;
    const { declaration } = root;
    const isPost = method === 'POST';
    const hasBody = head.isChunked || head.contentLength > 0;
    if (isPost ? !root.servesPost : !((method === 'GET' || method === 'HEAD') && root.servesGet)) {
      const reason = `method ${shorten(method, 20)} is not served here; use ${root.allow}`;
      this.#refuseByHead(405, reason, { Allow: root.allow });
    } else if (root.isOpen && (head.isChunked || head.contentLength > longestOpenBody)) {
      this.#refuseByHead(413, `a body here has its length, and ${longestOpenBody} bytes at most`, undefined, true);
    } else if (head.contentLength > this.#settings.maxBody) {
      this.#refuseByHead(413, this.#tooLarge(`of ${head.contentLength} bytes`), undefined, true);
    } else if (!isPost && hasBody && declaration.refusesGetBody === true) {
      // It may be a call that was meant to be a POST, and what it asks for is not looked at.
      this.#refuseByHead(400, `a ${method} request has no body here; POST it`);
    } else if (isPost && head.contentEncoding !== '' && head.contentEncoding.toLowerCase() !== 'identity') {
      // RFC 9110 §8.4.
      const reason = `Content-Encoding ${JSON.stringify(shorten(head.contentEncoding, 40))} is not supported; send the body as it is`;
      this.#refuseByHead(415, reason, { 'Accept-Encoding': 'identity' });
    } else {
      const service = root.choose(this);
      if (service === undefined) {
        this.#refuseByHead(415, `content type ${quoteType(head.mediaType)} is not accepted here`);
        return;
      }
      this.#service = service;
      // A form has what it asks for in its body.
      if (!isPost || declaration.ignoresQuery !== true) this.query = request.getQuery() ?? '';
      if (service.keepsHeaders !== false && root.keptHeaders.length > 0) {
        this.#kept = root.keptHeaders.map((name) => request.getHeader(name));
      }
      this.#mustClose = this.#response.isLastDue(head.isEndDoubtful(method));
      if (root.isOpen && isPost && hasBody) this.#openBody = new Uint8Array(head.contentLength);
      if (isPost && hasBody) this.#response.awaitBody();
      else if (this.#mustClose || this.#response.isTurnLong()) this.#dispatchLater();
      else this.#dispatch();
    }
  }

  /** Tells whether the address of the client is let in, where no login is needed; else the request is refused. */
  #isAddressLetIn(access: Access): boolean {
    const denial = access.checkAddress(this);
    if (denial !== undefined) this.#deny(denial);
    return denial === undefined;
  }

  #deny({ status, reason, headers, isOfAddress, page }: Denial): void {
    if (isOfAddress) this.#settings.connections.excludedAsked();
    this.#forgetRoot();
    this.#page = page;
    this.#refuseByHead(status, reason, headers, true);
  }

  /** Tells whether the caller is let in, or not known yet; else the request is refused. */
  #isLetIn(request: EngineRequest, path: string): boolean {
    const admission = this.#via.access?.check(this.#host.arrival.of(this, request, path, this.#host.head));
    if (admission instanceof Denial) {
      this.#deny(admission);
      return false;
    }
    if (!(admission instanceof Promise)) {
      this.caller = admission;
      return true;
    }
    this.#isHeld = true;
    void admission.then((checked) => this.#later(() => this.#callerKnown(checked)));
    return true;
  }

  /** Finds the root of a path that is none of the common ones; else the request is refused, or answered. */
  #findRoot(path: string): boolean {
    const { roots } = this.#settings;
    if (path === '*' && (this.method as string) === 'OPTIONS') {
      // It asks the server as a whole (RFC 9110 §9.3.7); paths that take less tell so with 405.
      this.#state = State.open;
      this.reply(204, '', { Allow: 'GET, HEAD, POST' });
      return false;
    }
    const decoded = decodePath(path);
    const match = decoded === undefined ? undefined : roots.find(decoded);
    if (match !== undefined) {
      this.#root = match.root;
      this.path = match.rest;
      return true;
    }
    if (decoded === undefined) {
      this.#refuseByHead(400, 'the path has a malformed percent escape, or one that is not UTF-8');
    } else {
      const shown = JSON.stringify(shorten(path, shownPath, '...'));
      const known = roots.newestFirst.map(({ declaration }) => `/${declaration.root}`).join(', ');
      this.#refuseByHead(404, `no root path serves ${shown}; there are: ${known || 'none'}`);
    }
    return false;
  }

  /**
   * Refuses by the head alone. A body of unknown length is not waited for: the connection closes.
   * @param isLast true when it closes in any case
   */
  #refuseByHead(status: number, reason: string, headers?: ReplyHeaders, isLast = false): void {
    const { head } = this.#host;
    const { maxBody, connections } = this.#settings;
    const isDoubtful = head.isEndDoubtful(this.method) || head.contentLength > maxBody;
    const closes = isLast || isDoubtful || this.#response.isLastDue(false) || this.#response.isTurnLong();
    this.#state = State.refusing;
    this.#mustClose = closes || connections.isStopping;
    const refuse = (): void => {
      this.#mayReuse = true;
      this.#refuse(status, reason, headers);
      this.#reuseWhenEnded();
    };
    this.#refuseInTurn(refuse, closes);
  }

  /** Refuses when its caller is known; in a later turn where the connection closes behind it. */
  #refuseInTurn(refuse: () => void, closes: boolean): void {
    if (this.#isHeld) this.#verdict = refuse;
    else if (closes) this.#later(refuse);
    else refuse();
  }

  #failedEarly(): void {
    if (this.finished) return;
    try {
      // Watching may be what failed before.
      this.#response.watch();
      this.#refuseByHead(500, internalError, undefined, true);
    } catch (error) {
      this.cut(error);
    }
  }

  /** The form of its refusal depends neither on its path nor on what has come of its body: both would tell which paths there are. */
  #forgetRoot(): void {
    this.#root = nowhere;
    this.#body = noBytes;
  }

  /** Its login has been verified. */
  #callerKnown(checked: Caller | Denial): void {
    this.#isHeld = false;
    if (checked instanceof Denial) {
      this.#forgetRoot();
      this.#state = State.refusing;
      this.#mustClose = true;
      this.#refuse(checked.status, checked.reason, checked.headers);
    } else if (this.#verdict !== undefined) {
      this.#verdict();
    } else {
      this.caller = checked;
      if (this.#state === State.whole) this.#dispatch();
    }
  }

  // The body arrives: one that comes whole as it lies, others joined in a slot of the pool.

  bodyPiece(piece: ArrayBuffer | Uint8Array, isLast: boolean): void {
    if (this.#state !== State.receiving) return;
    try {
      const isWhole = isLast && this.#bodySlot === -1 && this.#openBody === undefined;
      if (!isWhole || this.#mustClose || this.#isHeld) this.#collect(piece, isLast);
      else {
        // The engine takes its memory back when this returns.
        const isLent = this.#root.declaration.borrowBody === true;
        this.#body = isLent ? piece : piece.slice(0);
        this.#dispatch();
        if (isLent) this.#body = noBytes;
      }
    } catch (error) {
      this.#failed(error);
    }
  }

  #collect(piece: ArrayBuffer | Uint8Array, isLast: boolean): void {
    if (this.#openBody !== undefined) {
      this.#collectOpen(this.#openBody, piece, isLast);
      return;
    }
    const { bodies } = this.#settings;
    if (this.#bodySlot === -1) this.#bodySlot = bodies.open();
    const outcome = piece.byteLength === 0 ? Pushed.taken : bodies.push(this.#bodySlot, new Uint8Array(piece));
    if (outcome === Pushed.bodyTooLarge) {
      this.#state = State.refusing;
      this.#mustClose = true;
      this.#freeBody();
      this.#refuseInTurn(() => this.#refuse(413, this.#tooLarge('in chunks')), true);
    } else if (outcome === Pushed.poolFull) {
      this.#state = State.refusing;
      this.#freeBody();
      const reason = 'too many bodies are being received; try again';
      this.#refuseInTurn(() => this.#refuse(503, reason, { 'Retry-After': '1' }), false);
    } else if (isLast) {
      const isLent = !this.#mustClose && !this.#isHeld && this.#root.declaration.borrowBody === true;
      this.#body = isLent ? bodies.lend(this.#bodySlot) : bodies.take(this.#bodySlot);
      this.#bodySlot = -1;
      if (this.#mustClose) this.#dispatchLater();
      else this.#dispatch();
      if (isLent) this.#body = noBytes;
    }
  }

  /** The engine gives no more than the length that was announced. */
  #collectOpen(body: Uint8Array, piece: ArrayBuffer | Uint8Array, isLast: boolean): void {
    const begin = this.#openBytes;
    const bytes = piece instanceof Uint8Array ? piece : new Uint8Array(piece);
    body.set(bytes.subarray(0, body.length - begin), begin);
    this.#openBytes = begin + piece.byteLength;
    if (!isLast) return;
    this.#body = body;
    this.#openBody = undefined;
    if (this.#mustClose) this.#dispatchLater();
    else this.#dispatch();
  }

  tooMany(limit: number, length: number | undefined): void {
    if (this.#state !== State.receiving) return;
    this.#state = State.refusing;
    this.#isLastAsked = true;
    // Compressed it would not have its length.
    this.#acceptEncoding = '';
    try {
      const reason = pipelinedTooMany(limit);
      if (length === undefined) this.#close();
      else this.#refuse(503, reason, { 'Retry-After': '1' }, length);
    } catch (error) {
      this.#failed(error);
    }
  }

  #tooLarge(size: string): string {
    const { maxBody } = this.#settings;
    return `a body ${size} is over the limit of ${maxBody} bytes; send less, or raise receive_buf_size`;
  }

  /** Never fails. */
  #freeBody(): void {
    const slot = this.#bodySlot;
    this.#bodySlot = -1;
    try {
      this.#settings.bodies.free(slot);
    } catch (error) {
      this.#settings.log.error({ code: 'body-not-freed', err: error }, 'the memory of a body could not be given back');
    }
  }

  /** This layer failed before a handler took over; the rest of the body, if there is one, is dropped. */
  #failed(error: unknown): void {
    if (!this.finished) this.#state = State.refusing;
    if (this.#mustClose) this.#later(() => this.#handlerFailed(error));
    else this.#handlerFailed(error);
  }

  // The request is whole: its root gets it.

  /** Dispatches a request after which the connection closes if anything follows it, see {@link EngineResponse.later}. */
  #dispatchLater(): void {
    this.#later(() => this.#dispatch());
  }

  #dispatch(): void {
    if (this.#isHeld) {
      this.#state = State.whole;
      return;
    }
    this.#state = State.open;
    this.#settings.counters.add(Counter.bytes_in, this.#body.byteLength);
    try {
      this.#readFields();
      const result: unknown = this.#service.onRequest(this);
      // Handlers in JavaScript return all sorts of things, such as what reply() gave.
      if (result instanceof Promise) {
        this.#mayReuse = false;
        result.catch((error: unknown) => this.#handlerFailed(error));
      }
    } catch (error) {
      if (error instanceof FieldError) this.#refuse(error.status, error.message);
      else this.#handlerFailed(error);
    }
    if (this.#mayReuse) this.#reuseWhenEnded();
    if (!this.finished) this.#armDeadline();
  }

  /** @throws FieldError for a malformed form */
  #readFields(): void {
    if (this.method !== 'POST') {
      if (this.query !== '') this.fields = parseQuery(this.query);
    } else if (this.#root.declaration.body !== 'raw' && isFormType(this.mediaType)) {
      this.fields = parseForm(this.body, this.mediaType, this.#contentType);
    }
  }

  /** The handler has returned without a reply. */
  #armDeadline(): void {
    const { deadline, declaration } = this.#root;
    if (deadline === 0 || declaration.keepsTime === true) return;
    this.#deadline = setTimeout(() => this.timedOut('source', false), Math.min(deadline, longestTimer));
  }

  /** The handler failed: a stack for the log, no detail for the client. */
  #handlerFailed(error: unknown): void {
    const { module, root } = this.#root.declaration;
    this.#settings.log.error(
      { code: 'root-failed', err: error, root, path: this.path },
      `root /${root} of module ${module} failed`,
    );
    if (!this.finished) this.refuse(500, internalError);
  }

  /** Runs something in a later turn, unless the client has left by then. */
  #later(run: () => void): void {
    this.#response.later(
      () => {
        if (!this.finished) run();
      },
      (error) => this.cut(error),
    );
  }

  letReuse(): void {
    this.#mayReuse = true;
  }

  /** A cut response is not reused: the engine may still call its callbacks. */
  #reuseWhenEnded(): void {
    if (this.#state === State.ended && !this.#isCut) this.#response.reuse();
  }

  // The reply: whole, streamed, or a refusal.

  reply(status: number, body: string | Uint8Array = '', headers?: ReplyHeaders): boolean {
    if (headers !== undefined) checkReplyHeaders(headers);
    const line = statusLine(status);
    if (this.finished) return false;
    const isClosing = this.#isClosing();
    if ((isClosing || this.#isLastAsked) && !this.#response.mayClose) {
      // Copies: what is given is only lent until this returns.
      const kept = typeof body === 'string' ? body : Uint8Array.from(body);
      const keptHeaders = headers === undefined ? undefined : { ...headers };
      this.#replyLater(() => this.reply(status, kept, keptHeaders));
      return true;
    }
    if (this.observer !== undefined) this.tellReply(status, body);
    const length = typeof body === 'string' ? Buffer.byteLength(body) : body.length;
    if (this.method === 'HEAD' || isBodiless(status)) return this.#replyHeadOnly(status, length, headers);
    const negotiated = this.#negotiate(length, headers);
    const isCoded = negotiated?.coding !== undefined;
    if (isCoded || (length > 0 && (length > heldBodySize || !this.#response.takesWhole(length, isClosing)))) {
      const held = new HeldBody(typeof body === 'string' ? Buffer.from(body) : body);
      this.#begin(status, held, headers, negotiated)?.startNow();
      return true;
    }
    const sent = negotiated === undefined ? headers : negotiated.headers;
    try {
      if (this.#response.isCorked) this.#send(status, line, body, length, sent, isClosing);
      else this.#response.cork(() => this.#send(status, line, body, length, sent, isClosing));
      return true;
    } catch (error) {
      return this.#sendFailed(error);
    }
  }

  flush(status: number, headers?: ReplyHeaders): void {
    this.stream(status, new FlushedBody(this.#root.declaration, this, this.#settings.flushLimit), headers);
  }

  stream(status: number, source: ChunkSource, headers?: ReplyHeaders): void {
    try {
      if (headers !== undefined) checkReplyHeaders(headers);
      statusLine(status);
    } catch (error) {
      source.release();
      throw error;
    }
    if (this.finished) {
      source.release();
    } else if (this.method === 'HEAD' || isBodiless(status)) {
      const { length } = source;
      source.release();
      if (this.closesAtEnd && !this.#response.mayClose) {
        this.#replyLater(() => this.#replyHeadOnly(status, length, headers));
      } else {
        this.#replyHeadOnly(status, length, headers);
      }
    } else {
      const sent = this.observer === undefined ? source : this.#observed(status, source);
      this.#begin(status, sent, headers, this.#negotiate(source.length, headers))?.start();
    }
  }

  /** Tells the observer once; a reply in its place is not told any more. */
  tellReply(status: number, beginning: string | Uint8Array): void {
    const { observer } = this;
    this.observer = undefined;
    observer?.replied(status, beginning);
  }

  #observed(status: number, source: ChunkSource): ChunkSource {
    return new ObservedChunks(source, (beginning) => this.tellReply(status, beginning));
  }

  refuse(status: number, reason: string, headers?: ReplyHeaders): void {
    this.#replyRefusal(status, reason, headers, 0);
  }

  /**
   * A refusal of this layer itself, which is counted.
   * @param padding blanks behind its body
   */
  #refuse(status: number, reason: string, headers?: ReplyHeaders, padding = 0): void {
    if (this.finished) return;
    this.#settings.counters.add(Counter.refused, 1);
    this.#replyRefusal(status, reason, headers, padding);
  }

  #replyRefusal(status: number, reason: string, headers: ReplyHeaders | undefined, padding: number): void {
    if (this.#page !== undefined) {
      this.reply(status, this.#page(), { ...pageHeaders, ...headers });
      return;
    }
    const {
      contentType,
      body,
      headers: own,
    } = this.#host.refusals.of(this.#root, status, reason, this, this.#wantsPage);
    const all: Record<string, string> = { ...own, ...headers };
    // Added last, so that the order of headers does not reveal where a request was refused.
    all['Content-Type'] ??= contentType;
    this.reply(status, body + ' '.repeat(padding), all);
  }

  /** Replies in a later turn, in which the connection may be closed. */
  #replyLater(reply: () => void): void {
    clearTimeout(this.#deadline);
    this.#state = State.replying;
    this.#response.later(
      () => {
        if (this.#state !== State.replying) return;
        this.#state = State.open;
        reply();
      },
      (error) => this.cut(error),
    );
  }

  /**
   * Finds out how a reply goes to this client. Short ones go to all as they are: compressing them saves no round trip, since
   * the first window of TCP has room for them.
   *
   * @param length of its body, when it is known
   * @returns undefined: as it is
   */
  #negotiate(length: number | undefined, headers: ReplyHeaders | undefined): Negotiated | undefined {
    if (length !== undefined && length <= shortReplySize) return undefined;
    if (this.#compression === undefined) return undefined;
    return negotiate(this.#acceptEncoding, this.#root.declaration.contentType, headers);
  }

  /** @returns undefined when the engine failed, and that has been answered */
  #begin(
    status: number,
    source: ChunkSource,
    headers: ReplyHeaders | undefined,
    negotiated: Negotiated | undefined,
  ): ReplyStream | undefined {
    clearTimeout(this.#deadline);
    this.#state = State.replying;
    this.#status = status;
    const coding = negotiated?.coding;
    let body = source;
    try {
      const compressor = coding && Compressor.open(coding, this.#compression?.level ?? 1);
      if (compressor !== undefined) body = new CompressedBody(source, compressor);
      const sent = coding && compressor ? codedHeaders(negotiated.headers, coding) : (negotiated?.headers ?? headers);
      // A copy: what was checked is what is sent.
      this.#headers = sent === undefined ? undefined : { ...sent };
      this.#stream = new ReplyStream(this.#response, body, this);
    } catch (error) {
      body.release();
      this.failed(error, false);
    }
    return this.#stream;
  }

  #send(
    status: number,
    line: string,
    body: string | Uint8Array,
    length: number,
    headers: ReplyHeaders | undefined,
    isClosing: boolean,
  ): void {
    this.#writeHead(status, line, headers);
    this.#response.end(body, isClosing, this.#isLastAsked);
    this.sent(length);
    this.#end(isClosing, length > 0);
  }

  /** @param length of the body that there would be */
  #replyHeadOnly(status: number, length: number | undefined, headers: ReplyHeaders | undefined): boolean {
    const negotiated = this.#negotiate(length, headers);
    const coding = negotiated?.coding;
    let sent = negotiated === undefined ? headers : negotiated.headers;
    if (sent !== undefined && coding !== undefined) {
      sent = isBodiless(status) ? weaklyTagged(sent) : codedHeaders(sent, coding);
    }
    const told = isBodiless(status) || coding !== undefined ? undefined : length;
    try {
      this.#response.cork(() => {
        this.#writeHead(status, statusLine(status), sent);
        this.#response.endHead(told, this.#mustClose, this.closesAtEnd);
        this.#end(this.#mustClose, false);
      });
      return true;
    } catch (error) {
      return this.#sendFailed(error);
    }
  }

  #writeHead(status: number, line: string, headers: ReplyHeaders | undefined): void {
    this.#settings.counters.addReply(status);
    const sent = this.caller?.session === undefined ? headers : unstored(headers);
    this.#replyHead.write(this.#response, status, line, this.#root.declaration.contentType, sent);
  }

  #isClosing(): boolean {
    return this.#mustClose || this.#settings.connections.isStopping;
  }

  /** The engine failed on the way: part of a head may have been written, so that no other reply can follow. */
  #sendFailed(error: unknown): false {
    if (this.#state !== State.ended) this.cut(error);
    else
      this.#settings.log.error(
        { code: 'reply-end-failed', err: error, root: this.#root.declaration.root },
        'the end of a reply failed',
      );
    return false;
  }

  #refuseInstead(status: number, reason: string): void {
    this.#state = State.open;
    this.#stream = undefined;
    this.refuse(status, reason);
  }

  // The stream of the reply asks and tells.

  get limits(): StreamLimits {
    return this.#settings.limits;
  }

  get sourcePatience(): number {
    return this.#root.deadline;
  }

  /** True when the connection closes with the end of the reply: because it must, or the client asks for it. */
  get closesAtEnd(): boolean {
    return this.#isLastAsked || this.#isClosing();
  }

  writeHead(): void {
    this.#writeHead(this.#status, statusLine(this.#status), this.#headers);
    // The engine closes by itself only behind a body that is sent whole; here the client is asked to.
    if (this.closesAtEnd) this.#response.writeHeader('Connection', 'close');
  }

  sent(bytes: number): void {
    this.#settings.counters.add(Counter.bytes_out, bytes);
  }

  ended(isLengthKnown: boolean): void {
    this.#end(false, isLengthKnown);
  }

  failed(error: unknown, isHeadSent: boolean): void {
    const { module, root } = this.#root.declaration;
    this.#settings.counters.add(Counter.stream_errors, 1);
    const { about } = this;
    this.#settings.log.error(
      { code: 'reply-failed', err: error, root, module, about },
      `streamed reply of root /${root}${this.#shownAbout} failed${detailOf(error)}`,
    );
    if (isHeadSent) this.#close();
    else this.#refuseInstead(500, internalError);
  }

  releaseFailed(error: unknown): void {
    const { root } = this.#root.declaration;
    this.#settings.log.error(
      { code: 'reply-source-not-released', err: error, root },
      'releasing the source of a reply failed',
    );
  }

  timedOut(who: 'client' | 'source' | 'reply', isHeadSent: boolean): void {
    const { root } = this.#root.declaration;
    const { clientPatience, replyPatience } = this.limits;
    const seconds = { client: clientPatience, source: this.sourcePatience, reply: replyPatience }[who] / 1000;
    const what = { client: 'the client read nothing', source: 'there was no answer', reply: 'it was not read whole' }[
      who
    ];
    const { about } = this;
    this.#settings.log.warn(
      { code: 'reply-given-up', root, seconds, about },
      `reply of root /${root}${this.#shownAbout} given up: ${what} for ${seconds} s`,
    );
    this.#abortSignal(abortReason(coded('ERR_TIMEOUT', new Error(`${what} for ${seconds} s`))));
    if (isHeadSent || who !== 'source') {
      this.#settings.counters.add(Counter.timeouts, 1);
      this.#close();
    } else this.#refuseInstead(504, `no answer within ${seconds} s`);
  }

  // The end.

  /** The engine tells that the connection is gone. */
  gone(): void {
    if (this.#state === State.ended) return;
    if (!this.#isCut && this.#state !== State.refusing) this.#settings.counters.add(Counter.aborted, 1);
    this.#end(true, false);
    const { isStopping } = this.#settings.connections;
    this.#abortSignal(abortReason(coded('ERR_GONE', new Error(isStopping ? 'the server stops' : 'the client left'))));
    const { onGone } = this;
    this.onGone = undefined;
    try {
      if (onGone !== undefined) leaving.run(onGone, undefined, undefined);
    } catch (error) {
      this.#handlerFailed(error);
    }
    // After those who wait have been told why: what they wait for may be what the source waits for.
    this.#stream?.abort();
  }

  /** Nothing can be replied any more, and nobody may take what was for the whole: the connection is cut. */
  cut(error: unknown): void {
    const { module, root } = this.#root.declaration;
    const { about } = this;
    const what = this.#state === State.refusing ? 'a refusal' : `reply of root /${root}${this.#shownAbout}`;
    this.#settings.log.error(
      { code: 'connection-cut', err: error, root, module, about },
      `${what} failed; its connection is cut${detailOf(error)}`,
    );
    this.#close();
  }

  get #shownAbout(): string {
    return this.about === undefined ? '' : `, ${this.about},`;
  }

  /** Closes the connection without a word. */
  #close(): void {
    this.#isCut = true;
    this.#response.close();
    this.gone();
  }

  #abortSignal(reason: Error): void {
    this.#abort ??= new LazyAbort();
    this.#abort.abort(reason);
  }

  #end(isClosing: boolean, isTold: boolean): void {
    this.#state = State.ended;
    if (this.#deadline !== undefined) clearTimeout(this.#deadline);
    this.#settings.connections.exchangeEnded(isClosing, isTold || this.#response.tellsEveryReply);
    if (this.#bodySlot !== -1) this.#freeBody();
  }
}

/**
 * Lets an observer see how the reply of an exchange begins. It is told once; never when there is no reply, since the client has left.
 */
export function observeReply(exchange: Exchange, observer: ReplyObserver): void {
  if (exchange instanceof HttpExchange) exchange.observer = observer;
}

/** Tells the observer of a reply, before it is made, what it is about, in place of its own beginning. */
export function tellReply(exchange: Exchange, status: number, beginning: string | Uint8Array): void {
  if (exchange instanceof HttpExchange) exchange.tellReply(status, beginning);
}

/** The observer of a reply that has not begun. */
export function observerOf(exchange: Exchange): ReplyObserver | undefined {
  return exchange instanceof HttpExchange ? exchange.observer : undefined;
}

/** The two ends of the connection of an exchange, as far as they are known. */
export function endsOf(exchange: Exchange): ConnectionEnds {
  if (!(exchange instanceof HttpExchange)) return { remoteAddress: '', remotePort: 0, address: '', port: 0 };
  const { address, port } = exchange.setting;
  const { remoteAddress, remotePort } = exchange;
  return { remoteAddress, remotePort, address, port };
}

/**
 * The headers of a reply that a cookie has let somebody have. Caches keep such ones, and give them to others, unless they are told:
 * they know by themselves of Authorization alone (RFC 9111 §3.5).
 */
function unstored(headers: ReplyHeaders = {}): ReplyHeaders {
  const isTold = Object.keys(headers).some((name) => name.toLowerCase() === 'cache-control');
  return isTold ? headers : { ...headers, 'Cache-Control': 'no-store' };
}

function quoteType(mediaType: string): string {
  return mediaType === '' ? '(none)' : JSON.stringify(shorten(mediaType, 80));
}

/** A request as its access is decided on. One object serves all requests: it is only valid until the next. */
class Arrival implements ArrivingRequest {
  path = '';
  #exchange: Pick<ArrivingRequest, 'origin' | 'certificate' | 'method'> = {
    origin: '',
    certificate: undefined,
    method: '',
  };
  #request: Pick<EngineRequest, 'getHeader' | 'getQuery'> = { getHeader: () => '', getQuery: () => undefined };
  #head: Pick<RequestHead, 'cookie' | 'accept'> = { cookie: '', accept: '' };

  of(
    exchange: Pick<ArrivingRequest, 'origin' | 'certificate' | 'method'>,
    request: EngineRequest,
    path: string,
    head: RequestHead,
  ): this {
    this.#exchange = exchange;
    this.#request = request;
    this.#head = head;
    this.path = path;
    return this;
  }

  get authorization(): string {
    return this.#request.getHeader('authorization');
  }

  get cookie(): string {
    return this.#head.cookie;
  }

  get wantsPage(): boolean {
    return namesHtml(this.#head.accept) && !namesJson(this.#head.accept);
  }

  get method(): string {
    return this.#exchange.method;
  }

  get query(): string {
    return this.#request.getQuery() ?? '';
  }

  header(name: string): string | undefined {
    return this.#request.getHeader(name) || undefined;
  }

  get origin(): string {
    return this.#exchange.origin;
  }

  get certificate(): Uint8Array | undefined {
    return this.#exchange.certificate;
  }
}
