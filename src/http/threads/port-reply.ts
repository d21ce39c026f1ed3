import { isAscii } from 'node:buffer';
import { DirectReply } from '../engine/direct-reply.js';
import type { EngineRequest, EngineResponse, FixedHead, Receiver, Taken } from '../engine/engine.js';
import { Asked, type FromHome, type SentHead } from './protocol.js';

/** Bytes of the longest body that goes as a text. */
const longestText = 8192;

/** Most bytes of a streamed reply that are on their way to its client: they are held for as long as that does not read. */
const highWater = 262_144;

/** Bytes of the shortest piece that does not end a chunk: less is not worth a message. */
const leastPiece = 65_536;

/** A stream tries again now and then what its client does not read, and whenever that has read some. */
const nothingTaken: Taken = { bytes: 0, isFree: false, isComplete: false };

/** The head of a request, kept for longer than the engine does. */
export class PortHead implements EngineRequest {
  readonly #query: string | undefined;
  /** Name and value by turns. */
  readonly #fields: readonly string[];

  constructor(query: string | undefined, fields: readonly string[]) {
    this.#query = query;
    this.#fields = fields;
  }

  getQuery(): string | undefined {
    return this.#query;
  }

  getHeader(lowerCaseName: string): string {
    const fields = this.#fields;
    for (let at = 0; at < fields.length; at += 2) if (fields[at] === lowerCaseName) return fields[at + 1] ?? '';
    return '';
  }

  forEach(visit: (lowerCaseName: string, value: string) => void): void {
    const fields = this.#fields;
    for (let at = 0; at < fields.length; at += 2) visit(fields[at] ?? '', fields[at + 1] ?? '');
  }
}

/** The face that a reply goes to. */
export interface ReplyPort {
  /** Bytes of a body of unknown length that are best given at once. */
  readonly chunkSize: number;
  tell(message: FromHome, transferred?: ArrayBuffer): void;
  /** Number of a head that many replies have; undefined when there are too many. */
  numberOf(head: FixedHead): number | undefined;
  /** Nothing more is told of this exchange. */
  ended(exchange: number): void;
}

/** The response to a request that came by a face: what is written goes there. It serves one request after the other. */
export class PortReply extends DirectReply implements EngineResponse {
  readonly receiver: Receiver;
  readonly #port: ReplyPort;
  readonly #idle: PortReply[];
  #exchange = 0;
  #remoteAddress = '';
  #certificate: Uint8Array | undefined;
  #isLast = false;
  #head: string[] = [''];
  #fixed: FixedHead | undefined;
  /** Bytes that are on their way to the client, beyond those that the face has told of. */
  #onTheWay = 0;
  #writable: (() => void) | undefined;
  #isEnded = true;
  #hasBegun = false;
  /** True while a body is wanted that has not come whole. */
  #awaitsBody = false;

  /** @param idle where it goes when it is free */
  constructor(receiver: (response: EngineResponse) => Receiver, port: ReplyPort, idle: PortReply[]) {
    super();
    this.#port = port;
    this.#idle = idle;
    this.receiver = receiver(this);
  }

  begin(exchange: number, remoteAddress: string, isLast: boolean, certificate: Uint8Array | undefined): void {
    this.#exchange = exchange;
    this.#remoteAddress = remoteAddress;
    this.#isLast = isLast;
    this.#certificate = certificate;
    this.#head = [''];
    this.#fixed = undefined;
    this.#onTheWay = 0;
    this.#writable = undefined;
    this.#isEnded = false;
    this.#hasBegun = false;
    this.#awaitsBody = false;
  }

  /** Takes the head of the request, and its body where that has come with it. */
  take(head: EngineRequest, method: string, path: string, body: Uint8Array | undefined): void {
    this.receiver.request(head, method, path, undefined);
    if (body !== undefined) this.takeBody(body, true);
    else if (!this.#awaitsBody) this.#taken();
  }

  takeBody(piece: ArrayBuffer | Uint8Array, isLast: boolean): void {
    this.receiver.bodyPiece(piece, isLast);
    if (isLast) this.#taken();
  }

  /** The whole request is there, and whoever replies at once has done so. */
  #taken(): void {
    if (!this.#isEnded && !this.#hasBegun) this.#port.tell([Asked.later, this.#exchange]);
  }

  get remoteAddress(): string {
    return this.#remoteAddress;
  }

  /** No message has it. */
  get remotePort(): number {
    return 0;
  }

  get certificate(): Uint8Array | undefined {
    return this.#certificate;
  }

  get chunkSize(): number {
    return this.#port.chunkSize;
  }

  /** The client has taken some of a streamed reply. Where that does not let more in, it is progress all the same. */
  taken(bytes: number): void {
    this.#onTheWay -= bytes;
    this.#writable?.();
  }

  /** The client has left, or its face has. */
  gone(): void {
    this.#isEnded = true;
    this.receiver.gone();
  }

  override isLastDue(): boolean {
    return this.#isLast;
  }

  awaitBody(): void {
    this.#awaitsBody = true;
  }

  takesWhole(): boolean {
    return true;
  }

  override writeStatus(line: string): void {
    this.#head[0] = line;
  }

  writeHeader(name: string, value: string): void {
    this.#head.push(name, value);
  }

  writeFixedHead(head: FixedHead): void {
    this.#fixed = head;
  }

  get #sentHead(): SentHead {
    if (this.#fixed === undefined) return this.#head;
    // Behind a head that is known by its number there may be a header more.
    const number = this.#head.length === 1 ? this.#port.numberOf(this.#fixed) : undefined;
    if (number !== undefined) return number;
    return ['', ...this.#fixed.headers.flat(), ...this.#head.slice(1)];
  }

  end(body: string | Uint8Array, isClosing: boolean, isLastAsked: boolean): void {
    // A copy: what is given is lent.
    this.#port.tell([Asked.whole, this.#exchange, this.#sentHead, copyOf(body), isClosing, isLastAsked]);
    this.#end();
  }

  endHead(length: number | undefined, isClosing: boolean, isLastAsked: boolean): void {
    this.#port.tell([Asked.bare, this.#exchange, this.#sentHead, length, isClosing, isLastAsked]);
    this.#end();
  }

  writeOf(total: number, offset: number, piece: Uint8Array, writeHead: (() => void) | undefined): Taken {
    const fitting = this.#fitting(piece);
    if (fitting === undefined) return nothingTaken;
    this.#begin(writeHead, total);
    const isFree = this.#push(fitting);
    const isComplete = offset + fitting.length === total;
    if (isComplete) this.#end();
    return { bytes: fitting.length, isFree, isComplete };
  }

  write(piece: Uint8Array, writeHead: (() => void) | undefined): Taken {
    const fitting = this.#fitting(piece);
    if (fitting === undefined) return nothingTaken;
    this.#begin(writeHead, undefined);
    return { bytes: fitting.length, isFree: this.#push(fitting), isComplete: false };
  }

  /** As much of a piece as there is room for; undefined: too little. */
  #fitting(piece: Uint8Array): Uint8Array | undefined {
    const room = highWater - this.#onTheWay;
    if (piece.length <= room) return piece;
    return room < leastPiece ? undefined : piece.subarray(0, room);
  }

  endBody(writeHead: (() => void) | undefined): void {
    this.#begin(writeHead, undefined);
    this.#port.tell([Asked.end, this.#exchange]);
    this.#end();
  }

  #begin(writeHead: (() => void) | undefined, total: number | undefined): void {
    if (writeHead === undefined) return;
    this.#hasBegun = true;
    writeHead();
    const head = this.#sentHead;
    const closes = typeof head !== 'number' && closesBy(head);
    this.#port.tell([Asked.begin, this.#exchange, head, total, closes]);
  }

  #push(piece: Uint8Array): boolean {
    const copy = new Uint8Array(piece);
    this.#onTheWay += copy.length;
    this.#port.tell([Asked.piece, this.#exchange, copy], copy.buffer);
    return this.#onTheWay < highWater;
  }

  onWritable(writable: () => void): void {
    this.#writable = writable;
  }

  close(): void {
    if (this.#isEnded) return;
    this.#port.tell([Asked.cut, this.#exchange]);
    this.#end();
  }

  #end(): void {
    this.#isEnded = true;
    this.#writable = undefined;
    this.#port.ended(this.#exchange);
  }

  override reuse(): void {
    this.#idle.push(this);
  }
}

/** A text is copied sooner than bytes, to the other thread and to the engine. */
function copyOf(body: string | Uint8Array): string | Uint8Array {
  if (typeof body === 'string') return body;
  if (body.length > longestText || !isAscii(body)) return new Uint8Array(body);
  return Buffer.from(body.buffer, body.byteOffset, body.length).toString('latin1');
}

/** True for a head that asks the client to close. */
function closesBy(head: readonly string[]): boolean {
  for (let at = 1; at < head.length; at += 2) if (head[at] === 'Connection') return true;
  return false;
}
