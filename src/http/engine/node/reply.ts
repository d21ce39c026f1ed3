import type { IncomingMessage, ServerResponse } from 'node:http';
import { DirectReply } from '../direct-reply.js';
import { type EngineResponse, type FixedHead, leastChunk, type Receiver, type Taken } from '../engine.js';
import { copyPiece, pieceSize } from './pieces.js';

/** Bytes of a body up to which it is sent whole: Node.js keeps what the kernel does not take of it. */
const wholeSize = 65536;

const noBytes = new ArrayBuffer(0);

/** The connection of a reply, as the reply knows it. */
export interface ReplyConnection {
  readonly remoteAddress: string;
  readonly certificate: Uint8Array | undefined;
  /** No request that follows is served. */
  isLast: boolean;
  destroy(): void;
}

/** A reply that Node.js sends. */
export class NodeReply extends DirectReply implements EngineResponse {
  readonly chunkSize = leastChunk;
  readonly #connection: ReplyConnection;
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #receiver: Receiver;
  readonly #fields: string[] = [];
  #isReceiving = false;
  #isEnded = false;
  /** True while the client waits for leave to send the body (RFC 9110 §10.1.1). */
  #isContinueDue: boolean;
  readonly #tooMany: number | undefined;
  #writable: (() => void) | undefined;

  /**
   * @param isContinueDue true when the client waits for leave to send the body
   * @param tooMany the limit, where the request is one that is too many
   */
  constructor(
    receiver: (response: EngineResponse) => Receiver,
    connection: ReplyConnection,
    request: IncomingMessage,
    response: ServerResponse,
    { isContinueDue, tooMany }: { readonly isContinueDue: boolean; readonly tooMany: number | undefined },
  ) {
    super();
    this.#connection = connection;
    this.#request = request;
    this.#response = response;
    this.#isContinueDue = isContinueDue;
    this.#tooMany = tooMany;
    this.#receiver = receiver(this);
    // Of the end of its connection the connection tells.
    response.on('error', () => {});
  }

  get receiver(): Receiver {
    return this.#receiver;
  }

  /** True while its body arrives. */
  get isReceiving(): boolean {
    return this.#isReceiving;
  }

  /** True when nothing moves on its connection because of this side. */
  get isBusy(): boolean {
    return !this.#isEnded && !this.#isReceiving;
  }

  get isEnded(): boolean {
    return this.#isEnded;
  }

  /** The reply is the next to be sent, or the client takes more. */
  moved(): void {
    this.#writable?.();
  }

  /** Hands over the end of its body, which Node.js would tell of in a later turn, where all of it has arrived. */
  settle(): void {
    const request = this.#request;
    if (!this.#isReceiving || !request.complete) return;
    // What is read goes to the listeners.
    while (request.read() !== null);
    this.#received();
  }

  /** Its body has arrived whole. */
  #received(): void {
    if (!this.#isReceiving) return;
    this.#isReceiving = false;
    this.#receiver.bodyPiece(noBytes, true);
  }

  /** Its connection has gone. */
  gone(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#receiver.gone();
  }

  awaitBody(): void {
    if (this.#tooMany !== undefined) {
      this.#receiver.tooMany(this.#tooMany, 0);
      return;
    }
    if (this.#isContinueDue) {
      this.#isContinueDue = false;
      this.#response.writeContinue();
    }
    this.#isReceiving = true;
    const request = this.#request;
    const length = Number(request.headers['content-length'] ?? Number.NaN);
    let received = 0;
    request.on('data', (piece: Buffer) => {
      received += piece.length;
      const isLast = received === length;
      if (isLast) this.#isReceiving = false;
      // Memory of its own: that of Node.js has other pieces beside it.
      this.#receiver.bodyPiece(new Uint8Array(piece).buffer, isLast);
    });
    if (!Number.isNaN(length)) return;
    request.on('end', () => this.#received());
  }

  get remoteAddress(): string {
    return this.#connection.remoteAddress;
  }

  get remotePort(): number {
    return this.#request.socket.remotePort ?? 0;
  }

  get certificate(): Uint8Array | undefined {
    return this.#connection.certificate;
  }

  takesWhole(length: number): boolean {
    return length <= wholeSize;
  }

  writeHeader(name: string, value: string): void {
    if (name === 'Connection') this.#connection.isLast = true;
    // Node.js writes Latin-1, and takes no other character.
    this.#fields.push(name, Buffer.from(value).toString('latin1'));
  }

  writeFixedHead({ headers }: FixedHead): void {
    for (const [name, value] of headers) this.#fields.push(name, value);
  }

  end(body: string | Uint8Array, isClosing: boolean, isLastAsked: boolean): void {
    // A copy: Node.js keeps what the kernel does not take.
    const bytes = typeof body === 'string' ? body : Buffer.from(body);
    this.#writeHead(Buffer.byteLength(bytes), isClosing || isLastAsked);
    this.#isEnded = true;
    this.#response.end(bytes);
  }

  endHead(length: number | undefined, isClosing: boolean, isLastAsked: boolean): void {
    this.#writeHead(length, isClosing || isLastAsked);
    this.#isEnded = true;
    this.#response.end();
  }

  writeOf(total: number, offset: number, piece: Uint8Array, writeHead: (() => void) | undefined): Taken {
    if (!this.#isFree) return { bytes: 0, isFree: false, isComplete: false };
    if (writeHead !== undefined) {
      writeHead();
      this.#writeHead(total, false);
    }
    const part = piece.subarray(0, pieceSize);
    const isComplete = offset + part.length === total;
    const isFree = this.#send(part);
    if (isComplete) {
      this.#isEnded = true;
      this.#response.end();
    }
    return { bytes: part.length, isFree, isComplete };
  }

  write(piece: Uint8Array, writeHead: (() => void) | undefined): Taken {
    if (!this.#isFree) return { bytes: 0, isFree: false, isComplete: false };
    if (writeHead !== undefined) {
      writeHead();
      this.#writeHead(undefined, false);
    }
    const part = piece.subarray(0, pieceSize);
    return { bytes: part.length, isFree: this.#send(part), isComplete: false };
  }

  #send(piece: Uint8Array): boolean {
    const { bytes, sent } = copyPiece(piece);
    return this.#response.write(bytes, sent);
  }

  endBody(writeHead: (() => void) | undefined): void {
    if (writeHead !== undefined) {
      writeHead();
      this.#writeHead(undefined, false);
    }
    this.#isEnded = true;
    this.#response.end();
  }

  onWritable(writable: () => void): void {
    this.#writable = writable;
    this.#response.on('drain', writable);
  }

  close(): void {
    this.#isEnded = true;
    this.#connection.destroy();
  }

  /** False while the replies to earlier requests are on their way, or the client does not read. */
  get #isFree(): boolean {
    return this.#response.socket !== null && !this.#response.writableNeedDrain;
  }

  /** Tells whether the request after this one may be lost, or none. */
  #isEndDoubtful(): boolean {
    // Without its 100 Continue the client may send the body or not: its bytes could pass for the next request.
    if (this.#isContinueDue) return true;
    // Node.js drops what has come behind a request for an upgrade.
    const { upgrade, connection = '' } = this.#request.headers;
    return upgrade !== undefined && connection.toLowerCase().includes('upgrade');
  }

  #writeHead(length: number | undefined, isClosing: boolean): void {
    const fields = this.#fields;
    if (length !== undefined) fields.push('Content-Length', String(length));
    if (isClosing || (this.#isEndDoubtful() && !this.#connection.isLast)) this.writeHeader('Connection', 'close');
    this.#response.writeHead(this.status, this.reason, fields);
  }
}
