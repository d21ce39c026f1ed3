import { randomBytes } from 'node:crypto';
import { type Chunk, type ChunkSource, chunkLimit } from '../../http/exchange.js';
import type { Parts } from '../../mi/results/cursor.js';

/** A result that is too long for an answer: what was read of it to find that, and the rest, which is printed while it is fetched. */
export class LongResult {
  readonly #head: Buffer[];
  readonly #rest: Parts;
  readonly #released: () => void;
  #isReleased = false;

  /** @param released told once */
  constructor(head: readonly Buffer[], rest: Parts, released: () => void = () => {}) {
    this.#head = [...head];
    this.#rest = rest;
    this.#released = released;
  }

  /** Continues into the start of a buffer. @returns bytes written, 0 at the end */
  fill(buffer: Buffer): number | Promise<number> {
    const [first] = this.#head;
    if (first === undefined) return this.#rest.fill(buffer);
    const length = first.copy(buffer);
    if (length === first.length) this.#head.shift();
    else this.#head[0] = first.subarray(length);
    return length;
  }

  release(): void {
    if (this.#isReleased) return;
    this.#isReleased = true;
    this.#head.length = 0;
    this.#rest.release();
    this.#released();
  }
}

/** A long result as the body of a reply, at the pace of its reader. */
export class LongResultChunks implements ChunkSource {
  readonly #result: LongResult;
  readonly #buffer = Buffer.allocUnsafeSlow(chunkLimit);

  constructor(result: LongResult) {
    this.#result = result;
  }

  next(): Chunk | Promise<Chunk> {
    const filled = this.#result.fill(this.#buffer);
    const chunk = (length: number): Chunk => (length === 0 ? null : this.#buffer.subarray(0, length));
    return typeof filled === 'number' ? chunk(filled) : filled.then(chunk);
  }

  release(): void {
    this.#result.release();
  }
}

/** What a piece of a dump begins with: its kind, and its number in 4 bytes. */
export const Piece = { data: 0, end: 1, gone: 2, headSize: 5 } as const;

/** Bytes of a piece, as far as the transport takes them. */
const pieceSize = 131_072;

/** Milliseconds that a dump waits for somebody who asks for its next piece. */
const idle = 10_000;

/** Long results that wait to be fetched. Each holds as much as an answer may have. */
const mostWaiting = 32;

/** A dump that is fetched in pieces, each of which is asked for. */
interface Sending {
  readonly result: LongResult;
  next: number;
  isOver: boolean;
  /** Pieces are made one after the other, in the order in which they were asked for. */
  last: Promise<unknown>;
  asked: number;
  timer: NodeJS.Timeout | undefined;
}

/** Long results by their tokens: each is fetched once, within a minute, by whoever has its token. */
export class Links {
  readonly #lifetime: number;
  readonly #waiting = new Map<string, { readonly result: LongResult; readonly timer: NodeJS.Timeout }>();
  readonly #sending = new Map<string, Sending>();

  /** @param lifetime milliseconds */
  constructor(lifetime: number) {
    this.#lifetime = lifetime;
  }

  /** Results that wait, or are being fetched in pieces. */
  get size(): number {
    return this.#waiting.size + this.#sending.size;
  }

  /** @returns the token; undefined where too many wait: the result is released then */
  offer(result: LongResult): string | undefined {
    if (this.size >= mostWaiting) {
      result.release();
      return undefined;
    }
    const token = randomBytes(24).toString('base64url');
    const timer = setTimeout(() => this.take(token)?.release(), this.#lifetime);
    this.#waiting.set(token, { result, timer });
    return token;
  }

  /** The result, which is its taker's to release; undefined where there is none, or it was taken. */
  take(token: string): LongResult | undefined {
    const found = this.#waiting.get(token);
    if (found === undefined) return undefined;
    clearTimeout(found.timer);
    this.#waiting.delete(token);
    return found.result;
  }

  /** The next piece. @param room bytes that the transport takes */
  piece(token: string, room: number): Promise<Uint8Array> {
    const sending = this.#sending.get(token) ?? this.#begin(token);
    if (sending === undefined) return Promise.resolve(pieceOf(Piece.gone, 0));
    clearTimeout(sending.timer);
    sending.asked += 1;
    const made = sending.last.then(() => this.#make(sending, Math.min(pieceSize, room)));
    const done = (): void => {
      sending.asked -= 1;
      if (sending.asked === 0) sending.timer = setTimeout(() => this.#end(token, sending), idle);
    };
    sending.last = made.then(done, done);
    return made;
  }

  close(): void {
    for (const { result, timer } of this.#waiting.values()) {
      clearTimeout(timer);
      result.release();
    }
    this.#waiting.clear();
    for (const [token, sending] of this.#sending) this.#end(token, sending);
  }

  #begin(token: string): Sending | undefined {
    const result = this.take(token);
    if (result === undefined) return undefined;
    const sending: Sending = {
      result,
      next: 0,
      isOver: false,
      last: Promise.resolve(),
      asked: 0,
      timer: undefined,
    };
    this.#sending.set(token, sending);
    return sending;
  }

  #end(token: string, sending: Sending): void {
    clearTimeout(sending.timer);
    sending.isOver = true;
    this.#sending.delete(token);
    sending.result.release();
  }

  async #make(sending: Sending, most: number): Promise<Uint8Array> {
    const number = sending.next++;
    if (sending.isOver) return pieceOf(Piece.end, number);
    const piece = Buffer.allocUnsafeSlow(most);
    let length: number = Piece.headSize;
    try {
      while (piece.length - length >= 4) {
        const filled = await sending.result.fill(piece.subarray(length));
        if (filled === 0) {
          sending.isOver = true;
          sending.result.release();
          break;
        }
        length += filled;
      }
    } catch {
      // It broke off: what has come of it is not all.
      sending.isOver = true;
      sending.result.release();
      return pieceOf(Piece.gone, number);
    }
    piece[0] = sending.isOver ? Piece.end : Piece.data;
    piece.writeUInt32BE(number, 1);
    return piece.subarray(0, length);
  }
}

function pieceOf(kind: number, number: number): Buffer {
  const piece = Buffer.alloc(Piece.headSize);
  piece[0] = kind;
  piece.writeUInt32BE(number, 1);
  return piece;
}
