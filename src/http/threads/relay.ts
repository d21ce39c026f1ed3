import { originOf } from '../../base/address.js';
import { coded } from '../../base/codes.js';
import type { CodedLog } from '../../base/log.js';
import { detailOf, shorten } from '../../base/text.js';
import type { EngineRequest, EngineResponse, FixedHead, Receiver, RefusalReply } from '../engine/engine.js';
import { type Chunk, type ChunkSource, heldBodySize } from '../exchange.js';
import type { Connections } from '../limits/connections.js';
import { Counter, type HttpCounters } from '../limits/counters.js';
import { RequestHead } from '../request/head.js';
import { HeldBody, ReplyStream, type StreamLimits, type StreamOwner } from '../request/stream.js';
import type { ListenerHere } from './here.js';
import { PortHead } from './port-reply.js';
import { type FromFace, type SentHead, Told } from './protocol.js';

/** Bytes of a piece of a body from which on its memory is handed over; less is copied sooner. */
const handedOver = 16_384;

/** Milliseconds that a client has for what came before a reply was cut. */
const lastBytes = 1000;

/** Bytes of the longest piece that goes as a text. */
const longestText = 4096;

const longestPath = 200;

/** The parts of a face that its exchanges share. */
export interface RelayHost {
  readonly connections: Connections;
  readonly counters: HttpCounters;
  readonly log: CodedLog;
  readonly clientPatience: number;
  readonly replyPatience: number;
  /** Begins an exchange; the number of it. */
  begin(relay: Relay): number;
  /** Nothing more is told to home of this exchange, and nothing asked. */
  forget(exchange: number): void;
  tell(message: FromFace, transferred?: ArrayBuffer): void;
  fixedHead(number: number): FixedHead | undefined;
  /** Changes when messages are sent. */
  readonly turn: number;
  /** Counts a request on its way to home; false where there is no room for it. */
  takesRequest(): boolean;
  /** Counts bytes of a body on their way to home; false where there is no room for them. */
  takesBody(bytes: number): boolean;
  /** Counts bytes of a body that is kept until it is whole; false where there is no room for them. */
  keepsBody(bytes: number): boolean;
  /** Bytes of a body are kept no longer. */
  letsBody(bytes: number): void;
  refusal(listener: number, status: number, reason: string): RefusalReply;
}

/** Of the request that has come last. */
const head = new RequestHead();

/** The fields of a request, collected in one pass. */
class Fields {
  #fields: string[] = [];

  readonly #visit = (name: string, value: string): void => {
    this.#fields.push(name, value);
  };

  /** Name and value by turns. */
  of(request: EngineRequest): readonly string[] {
    this.#fields = [];
    request.forEach(this.#visit);
    return this.#fields;
  }

  forEach(visit: (name: string, value: string) => void): void {
    const fields = this.#fields;
    for (let at = 0; at < fields.length; at += 2) visit(fields[at] ?? '', fields[at + 1] ?? '');
  }

  getQuery(): undefined {
    return undefined;
  }

  getHeader(): string {
    return '';
  }
}

const collected = new Fields();

/** What is told of a head; its body may still be added. */
type HeadMessage = Writable<Extract<FromFace, readonly [typeof Told.head, ...unknown[]]>>;

type Writable<T> = { -readonly [Member in keyof T]: T[Member] };

/** A request whose body decides where it is served. */
interface HeldRequest {
  readonly method: string;
  readonly path: string;
  readonly query: string | undefined;
  /** Name and value by turns. */
  readonly fields: readonly string[];
  readonly hasCookie: boolean;
}

/** The pieces of a body that have come, while it is not known where it is served. */
class KeptBody {
  readonly #pieces: Uint8Array[] = [];
  length = 0;

  add(piece: ArrayBuffer | Uint8Array): void {
    this.#pieces.push(new Uint8Array(piece instanceof Uint8Array ? piece : new Uint8Array(piece)));
    this.length += piece.byteLength;
  }

  /** With the piece behind those that are kept. */
  wholeWith(last: ArrayBuffer | Uint8Array): Uint8Array {
    return Buffer.concat([...this.#pieces, last instanceof Uint8Array ? last : new Uint8Array(last)]);
  }
}

/** A text of Latin-1 whose characters are the bytes. */
function textOf(piece: ArrayBuffer | Uint8Array): string {
  const bytes =
    piece instanceof Uint8Array ? Buffer.from(piece.buffer, piece.byteOffset, piece.length) : Buffer.from(piece);
  return bytes.toString('latin1');
}

/** The body of a reply as it comes from home. */
class RelayedBody implements ChunkSource {
  readonly length: number | undefined;
  readonly #chunks: Uint8Array[] = [];
  #given = 0;
  #isWhole = false;
  #isCut = false;
  #waiting: ((chunk: Chunk) => void) | undefined;

  constructor(length: number | undefined) {
    this.length = length;
  }

  /** True when home gives nothing more. */
  get isWhole(): boolean {
    return this.#isWhole;
  }

  push(chunk: Uint8Array): void {
    this.#given += chunk.length;
    if (this.#given === this.length) this.#isWhole = true;
    const waiting = this.#waiting;
    if (waiting === undefined) {
      this.#chunks.push(chunk);
      return;
    }
    this.#waiting = undefined;
    waiting(chunk);
  }

  end(): void {
    this.#isWhole = true;
    this.#waiting?.(null);
    this.#waiting = undefined;
  }

  /** Nothing more comes, and what has come is not all. @returns whether some of it has not been taken yet */
  cut(): boolean {
    this.#isCut = true;
    return this.#chunks.length > 0;
  }

  next(): Chunk | Promise<Chunk> {
    const chunk = this.#chunks.shift();
    if (chunk !== undefined) return chunk;
    if (this.#isCut) throw coded('ERR_GONE', new Error('the reply was cut'));
    if (this.#isWhole) return null;
    return new Promise((resolve) => {
      this.#waiting = resolve;
    });
  }

  release(): void {
    this.#chunks.length = 0;
  }
}

/** A request whose home is another thread: its head and body go there, and the reply comes from there. */
export class Relay implements Receiver, StreamOwner {
  readonly #host: RelayHost;
  readonly #listener: number;
  readonly #response: EngineResponse;
  readonly #excludes: ((origin: string) => boolean) | undefined;
  /** Undefined: home serves all. */
  readonly #listenerHere: ListenerHere | undefined;
  /** Serves what is served in this thread. */
  #here: Receiver | undefined;
  /** True while the request is served in this thread. */
  #isHere = false;
  /** The request while it is not known where it is served. */
  #held: HeldRequest | undefined;
  #kept: KeptBody | undefined;
  #exchange = 0;
  #path = '';
  /** The head of a request whose body arrives, while it may be changed. */
  #sent: { readonly message: HeadMessage; readonly turn: number } | undefined;
  #isOpen = false;
  /** True while its body arrives and is wanted. */
  #isReceiving = false;
  /** True when home has told all of the reply, or is told of nothing more. */
  #isHomeDone = false;
  #mayReuse = false;
  #isCutByHome = false;
  /** True while nothing is read: the whole request has gone to home, which may reply at once. */
  #isHolding = false;
  #body: RelayedBody | undefined;
  #stream: ReplyStream | undefined;
  #head: SentHead = 0;
  #began = 0;
  #deadline: NodeJS.Timeout | undefined;
  /** True when the connection closes with the end of the reply. */
  closesAtEnd = false;

  /**
   * @param excludes tells whether nothing that comes from an address is let in; left out: all is
   * @param listenerHere serves some requests in this thread
   */
  constructor(
    host: RelayHost,
    listener: number,
    response: EngineResponse,
    excludes?: (origin: string) => boolean,
    listenerHere?: ListenerHere,
  ) {
    this.#listenerHere = listenerHere;
    this.#host = host;
    this.#listener = listener;
    this.#response = response;
    this.#excludes = excludes;
  }

  // From the engine.

  request(request: EngineRequest, method: string, path: string): void {
    const { connections } = this.#host;
    connections.exchangeBegan();
    this.#isHere = false;
    this.#held = undefined;
    this.#letKept();
    this.#exchange = 0;
    this.#path = path;
    this.#isOpen = true;
    this.#isHomeDone = false;
    this.#isCutByHome = false;
    this.#isHolding = false;
    this.#body = undefined;
    this.#stream = undefined;
    this.closesAtEnd = false;
    try {
      this.#response.watch();
      const fields = collected.of(request);
      const isWrong = head.read(collected) !== undefined;
      const hasBody = method === 'POST' && !isWrong && (head.isChunked || head.contentLength > 0);
      this.#isReceiving = hasBody;
      this.#mayReuse = !hasBody;
      const isLast = isWrong || this.#response.isLastDue(head.isEndDoubtful(method));
      const query = request.getQuery();
      const here = this.#listenerHere;
      if (here !== undefined && hasBody && !isLast && this.#isLetIn && here.mayTake(path, head)) {
        this.#held = { method, path, query, fields, hasCookie: head.cookie !== '' };
        this.#response.awaitBody();
      } else this.#send(method, path, query, fields, isLast, hasBody);
    } catch (error) {
      this.cut(error);
    }
  }

  /** True where the address of the client is let in. */
  get #isLetIn(): boolean {
    return this.#excludes?.(originOf(false, this.#response.remoteAddress)) !== true;
  }

  /** Sends the head of the request to home. */
  #send(
    method: string,
    path: string,
    query: string | undefined,
    fields: readonly string[],
    isLast: boolean,
    hasBody: boolean,
  ): void {
    const wasHeld = this.#held !== undefined;
    this.#held = undefined;
    this.#exchange = this.#host.begin(this);
    const { remoteAddress, certificate } = this.#response;
    if (!this.#isLetIn) this.#host.connections.excludedAsked();
    if (!this.#host.takesRequest()) {
      this.#isReceiving = false;
      this.#refuse(503, 'too many requests wait to be read; try again');
      return;
    }
    const message: HeadMessage = [
      Told.head,
      this.#exchange,
      this.#listener,
      method,
      path,
      query,
      fields.join('\n'),
      remoteAddress,
      isLast,
      certificate,
      undefined,
    ];
    this.#host.tell(message);
    if (!hasBody) {
      this.#holdReading();
      return;
    }
    this.#sent = { message, turn: this.#host.turn };
    if (!wasHeld) this.#response.awaitBody();
  }

  /** The body of a request has begun to come: now it is decided who serves it. @returns true where it is served here */
  #decide(
    { method, path, query, fields, hasCookie }: HeldRequest,
    body: ArrayBuffer | Uint8Array | undefined,
  ): boolean {
    const here = this.#listenerHere;
    const request = new PortHead(query, fields);
    if (here?.takes(request, this.#response, hasCookie, body) !== true) {
      this.#send(method, path, query, fields, false, true);
      return false;
    }
    this.#held = undefined;
    this.#isOpen = false;
    this.#isHere = true;
    this.#host.connections.exchangeHandedOn();
    this.#here ??= here.receiverOf(this.#response);
    this.#here.request(request, method, path, undefined);
    return true;
  }

  bodyPiece(piece: ArrayBuffer | Uint8Array, isLast: boolean): void {
    if (!this.#isReceiving) return;
    try {
      this.#takeBody(piece, isLast);
    } catch (error) {
      this.cut(error);
    }
  }

  #takeBody(piece: ArrayBuffer | Uint8Array, isLast: boolean): void {
    const held = this.#held;
    if (held === undefined) {
      this.#bodyToHome(piece, isLast);
      return;
    }
    if (!isLast && this.#mayKeep(held) && this.#host.keepsBody(piece.byteLength)) {
      this.#kept ??= new KeptBody();
      this.#kept.add(piece);
      return;
    }
    const whole = this.#wholeBody(piece);
    if (isLast && this.#decide(held, whole)) {
      this.#isReceiving = false;
      this.#here?.bodyPiece(whole, true);
      return;
    }
    // Where it cannot be kept, home has it as it comes.
    if (!isLast) this.#send(held.method, held.path, held.query, held.fields, false, true);
    if (this.#isReceiving) this.#bodyToHome(whole, isLast);
  }

  /** True where it is known who calls: others are not waited for. */
  #mayKeep({ query, fields, hasCookie }: HeldRequest): boolean {
    if (this.#kept !== undefined) return true;
    return this.#listenerHere?.finds(new PortHead(query, fields), this.#response, hasCookie) === true;
  }

  /** What has come of a body, with its next piece. */
  #wholeBody(piece: ArrayBuffer | Uint8Array): ArrayBuffer | Uint8Array {
    const kept = this.#kept;
    if (kept === undefined) return piece;
    this.#letKept();
    return kept.wholeWith(piece);
  }

  #letKept(): void {
    if (this.#kept === undefined) return;
    this.#host.letsBody(this.#kept.length);
    this.#kept = undefined;
  }

  #bodyToHome(piece: ArrayBuffer | Uint8Array, isLast: boolean): void {
    if (!this.#host.takesBody(piece.byteLength)) {
      this.#isReceiving = false;
      this.#host.tell([Told.gone, this.#exchange]);
      this.#refuse(503, 'too many bodies are being received; try again');
      return;
    }
    const sent = this.#sent;
    this.#sent = undefined;
    if (isLast && sent !== undefined && piece.byteLength <= longestText && sent.turn === this.#host.turn) {
      sent.message[10] = textOf(piece);
    } else if (piece.byteLength <= longestText) {
      this.#host.tell([Told.body, this.#exchange, textOf(piece), isLast]);
    } else {
      const copy = new Uint8Array(piece instanceof Uint8Array ? piece : new Uint8Array(piece)).buffer;
      this.#host.tell([Told.body, this.#exchange, copy, isLast], copy.byteLength >= handedOver ? copy : undefined);
    }
    if (!isLast) return;
    this.#isReceiving = false;
    this.#mayReuse = true;
    this.#holdReading();
  }

  /** A client that closes its sending side behind its request gets a reply that comes at once, as without threads. */
  #holdReading(): void {
    this.#isHolding = true;
    this.#response.holdReading();
  }

  #readOn(): void {
    if (!this.#isHolding) return;
    this.#isHolding = false;
    this.#response.readOn();
  }

  tooMany(limit: number, length: number | undefined): void {
    if (!this.#isReceiving) return;
    this.#isReceiving = false;
    this.#letKept();
    // Served here it is refused at once, and pushes out the replies before it.
    if (this.#held !== undefined && this.#decide(this.#held, undefined)) this.#here?.tooMany(limit, length);
    else this.#host.tell([Told.tooMany, this.#exchange, limit, length]);
  }

  gone(): void {
    if (this.#isHere) {
      this.#here?.gone();
      return;
    }
    if (!this.#isOpen) return;
    this.#letKept();
    if (this.#held !== undefined) {
      this.#host.counters.add(Counter.requests, 1);
      this.#host.counters.add(Counter.aborted, 1);
    } else if (!this.#isHomeDone) this.#host.tell([Told.gone, this.#exchange]);
    else if (!this.#isCutByHome) this.#host.counters.add(Counter.aborted, 1);
    this.#mayReuse = false;
    this.#end(true, false);
    this.#stream?.abort();
  }

  // From home.

  whole(sent: SentHead, body: string | Uint8Array, isClosing: boolean, isLastAsked: boolean): void {
    this.#isHomeDone = true;
    this.#inTurn(isClosing || isLastAsked, () => {
      const length = typeof body === 'string' ? Buffer.byteLength(body) : body.length;
      if (length > 0 && (length > heldBodySize || !this.#response.takesWhole(length, isClosing))) {
        this.#head = sent;
        this.closesAtEnd = isClosing || isLastAsked;
        this.#began = performance.now();
        this.#limitTime();
        this.#stream = new ReplyStream(
          this.#response,
          new HeldBody(typeof body === 'string' ? Buffer.from(body) : body),
          this,
        );
        this.#stream.startNow();
        return;
      }
      this.#response.cork(() => {
        this.#write(sent);
        this.#response.end(body, isClosing, isLastAsked);
        this.#end(isClosing, length > 0);
      });
    });
  }

  bare(sent: SentHead, length: number | undefined, isClosing: boolean, isLastAsked: boolean): void {
    this.#isHomeDone = true;
    this.#inTurn(isClosing || isLastAsked, () => {
      this.#response.cork(() => {
        this.#write(sent);
        this.#response.endHead(length, isClosing, isLastAsked);
        this.#end(isClosing, false);
      });
    });
  }

  /** The reply does not come at once: from now on it is noticed when the client leaves. */
  comesLater(): void {
    if (this.#isOpen) this.#readOn();
  }

  /** Called now and then: to read on began the timer of the engine, which knows no reply that is only late. */
  keepAlive(): void {
    const isWaiting = this.#isOpen && !this.#isReceiving && !this.#isHolding && this.#stream === undefined;
    if (isWaiting && this.#held === undefined) this.#response.keepAlive();
  }

  begin(sent: SentHead, total: number | undefined, closes: boolean): void {
    this.comesLater();
    this.#head = sent;
    this.closesAtEnd = closes;
    this.#began = performance.now();
    this.#body = new RelayedBody(total);
    this.#stream = new ReplyStream(this.#response, this.#body, this);
    this.#stream.start();
  }

  piece(piece: Uint8Array): void {
    this.#body?.push(piece);
    if (this.#body?.isWhole === true) this.#homeDone();
  }

  endBody(): void {
    this.#homeDone();
    this.#body?.end();
  }

  #homeDone(): void {
    this.#isHomeDone = true;
    this.#limitTime();
  }

  /** The reply is there, and its client has to read it in time. */
  #limitTime(): void {
    const { replyPatience } = this.#host;
    if (replyPatience === 0) return;
    const left = Math.max(0, this.#began + replyPatience - performance.now());
    this.#deadline = setTimeout(() => this.timedOut('reply'), left);
  }

  /** Home closes the connection, and has told why. What it has sent before goes to a client that takes it. */
  cutByHome(): void {
    this.#isHomeDone = true;
    this.#isCutByHome = true;
    if (this.#body?.cut() !== true) this.close();
    else this.#deadline = setTimeout(() => this.close(), lastBytes);
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isHomeDone = true;
    this.#mayReuse = false;
    this.#response.close();
    this.#end(true, false);
    this.#stream?.abort();
  }

  /** Nothing can be replied any more: the connection is cut. */
  cut(error: unknown): void {
    this.#host.log.error(
      { code: 'connection-cut', err: error },
      `reply of ${this.#shownPath} failed; its connection is cut${detailOf(error)}`,
    );
    this.#giveUp();
  }

  /** Home is told that the client has left. */
  #giveUp(): void {
    if (!this.#isHomeDone && this.#isOpen) this.#host.tell([Told.gone, this.#exchange]);
    if (this.#isOpen) this.close();
  }

  /** A refusal of the face itself. */
  #refuse(status: number, reason: string): void {
    const { statusLine, headers, body } = this.#host.refusal(this.#listener, status, reason);
    this.#host.counters.add(Counter.refused, 1);
    this.#host.counters.addReply(status);
    this.whole([statusLine, ...headers.flat()], body, true, true);
  }

  /** Runs in a turn in which the connection may be closed, where it has to be. */
  #inTurn(closes: boolean, send: () => void): void {
    const run = (): void => {
      if (!this.#isOpen) return;
      try {
        this.#readOn();
        send();
      } catch (error) {
        if (this.#isOpen) this.cut(error);
      }
    };
    if (closes && !this.#response.mayClose) this.#response.later(run, (error) => this.cut(error));
    else run();
  }

  #write(sent: SentHead): void {
    if (typeof sent === 'number') {
      const fixed = this.#host.fixedHead(sent);
      if (fixed !== undefined) this.#response.writeFixedHead(fixed);
      return;
    }
    const [line = ''] = sent;
    if (line !== '') this.#response.writeStatus(line);
    for (let at = 1; at < sent.length; at += 2) this.#response.writeHeader(sent[at] ?? '', sent[at + 1] ?? '');
  }

  // The stream of the reply asks and tells.

  /** While home waits for the client, it decides how long: here it is looked so often that home is told in time. */
  get limits(): StreamLimits {
    const { clientPatience } = this.#host;
    const isUpToHome = !this.#isHomeDone || this.#isCutByHome;
    return { clientPatience: isUpToHome ? 2 * clientPatience : clientPatience, replyPatience: 0, maxReply: 0 };
  }

  get sourcePatience(): number {
    return 0;
  }

  writeHead(): void {
    this.#write(this.#head);
    // The engine closes by itself only behind a body that is sent whole; here the client is asked to.
    if (this.closesAtEnd && this.#body === undefined) this.#response.writeHeader('Connection', 'close');
  }

  sent(bytes: number): void {
    if (bytes > 0 && !this.#isHomeDone) this.#host.tell([Told.taken, this.#exchange, bytes]);
  }

  ended(isLengthKnown: boolean): void {
    this.#mayReuse = false;
    this.#end(false, isLengthKnown);
  }

  failed(error: unknown): void {
    if (this.#isCutByHome) this.close();
    else this.cut(error);
  }

  releaseFailed(): void {}

  timedOut(who: 'client' | 'source' | 'reply'): void {
    const { clientPatience, replyPatience, counters, log } = this.#host;
    const seconds = (who === 'reply' ? replyPatience : clientPatience) / 1000;
    const what = who === 'reply' ? 'it was not read whole' : 'the client read nothing';
    log.warn({ code: 'reply-given-up', seconds }, `reply of ${this.#shownPath} given up: ${what} for ${seconds} s`);
    counters.add(Counter.timeouts, 1);
    this.#giveUp();
  }

  get #shownPath(): string {
    return shorten(this.#path, longestPath);
  }

  #end(isClosing: boolean, isTold: boolean): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#isReceiving = false;
    clearTimeout(this.#deadline);
    this.#host.forget(this.#exchange);
    this.#host.connections.exchangeEnded(isClosing, isTold || this.#response.tellsEveryReply);
    if (this.#mayReuse) this.#response.reuse();
  }
}
