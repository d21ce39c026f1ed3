import type { Chunk, ChunkSource, Exchange, ReplyHeaders } from '../http/exchange.js';
import type { LaterAnswer } from '../mi/calls/run.js';
import type { Parts } from '../mi/results/cursor.js';
import { PrettyPrinter } from '../native/addon.js';

/** A source that tells when its last chunk was the end, so that a reply of one chunk needs no stream. */
export interface CompletedSource extends ChunkSource {
  readonly isComplete: boolean;
}

/**
 * Begins a reply: pulls its beginning, and sends it. A source of which nothing is sent is released.
 *
 * @param pull gives the beginning, now or later
 * @param release frees the source; harmless when it was called before
 * @returns undefined when the reply has begun
 * @throws what pulling and sending throw
 */
export function beginReply<T>(
  pull: () => T | Promise<T>,
  send: (first: T) => void,
  release: () => void,
): LaterAnswer<T> | undefined {
  const guarded = <R>(work: () => R): R => {
    try {
      return work();
    } catch (error) {
      release();
      throw error;
    }
  };
  const first = guarded(pull);
  if (first instanceof Promise) return { first, send: (value) => guarded(() => send(value)), giveUp: release };
  guarded(() => send(first));
  return undefined;
}

/** Sends a reply whose first chunk has been pulled: in one piece when that is all there is, else as a stream. */
export function sendChunks(
  exchange: Exchange,
  status: number,
  first: Chunk | Promise<Chunk>,
  source: CompletedSource,
  headers?: ReplyHeaders,
): void {
  if (first instanceof Uint8Array && source.isComplete) {
    exchange.reply(status, first, headers);
    source.release();
  } else {
    streamChunks(exchange, status, first, source, headers);
  }
}

/** As {@link sendChunks}, always as a stream. */
export function streamChunks(
  exchange: Exchange,
  status: number,
  first: Chunk | Promise<Chunk>,
  source: ChunkSource,
  headers?: ReplyHeaders,
): void {
  exchange.stream(status, new BegunChunks(first, source), headers);
}

/** A source whose first chunk has been pulled already, to see whether it is all there is, and not an error. */
class BegunChunks implements ChunkSource {
  readonly length: number | undefined;
  readonly #rest: ChunkSource;
  #first: Chunk | Promise<Chunk> | undefined;

  /** @param first copied, since it may have to wait for its turn */
  constructor(first: Chunk | Promise<Chunk>, rest: ChunkSource) {
    this.length = rest.length;
    this.#rest = rest;
    this.#first = first instanceof Uint8Array ? Uint8Array.from(first) : first;
    // A client that leaves before its turn leaves no reader of a failure.
    if (first instanceof Promise) first.catch(() => {});
  }

  next(): Chunk | Promise<Chunk> {
    const first = this.#first;
    this.#first = undefined;
    return first === undefined ? this.#rest.next() : first;
  }

  release(): void {
    this.#rest.release();
  }
}

/** A reply made of parts, as chunks that are as full as its buffer. */
export class ReplyChunks implements CompletedSource {
  readonly #parts: Parts;
  readonly #buffer: Buffer;
  readonly #length: (() => number | undefined) | undefined;
  #released: ((isComplete: boolean) => void) | undefined;

  /**
   * @param parts the whole reply; released by this
   * @param buffer where chunks are made, 256 KiB at most. Replies may share one if no part of theirs fills it later
   * @param released told once, when the reply has ended or was given up before all of it was printed
   * @param length tells the bytes of all parts together, when known
   */
  constructor(
    parts: Parts,
    buffer: Buffer,
    released: (isComplete: boolean) => void,
    length?: () => number | undefined,
  ) {
    this.#parts = parts;
    this.#length = length;
    this.#buffer = buffer;
    this.#released = released;
  }

  /**
   * With a buffer of its own.
   *
   * @param parts released also when there is no memory for it
   */
  static own(parts: Parts, size: number, released: (isComplete: boolean) => void): ReplyChunks {
    let buffer: Buffer;
    try {
      buffer = Buffer.allocUnsafe(size);
    } catch (error) {
      parts.release();
      throw error;
    }
    return new ReplyChunks(parts, buffer, released);
  }

  /** Bytes of all of it, when known; it may be so once the first chunk is made. */
  get length(): number | undefined {
    return this.#length?.();
  }

  /** True once all parts are printed: the last chunk held the end. */
  get isComplete(): boolean {
    return this.#parts.isComplete;
  }

  next(): Chunk | Promise<Chunk> {
    const written = this.#parts.fill(this.#buffer);
    return typeof written === 'number' ? this.#chunk(written) : written.then((later) => this.#chunk(later));
  }

  #chunk(end: number): Chunk {
    if (end === 0) return null;
    return end === this.#buffer.length ? this.#buffer : this.#buffer.subarray(0, end);
  }

  /** Harmless when it was called before. */
  release(): void {
    const released = this.#released;
    if (released === undefined) return;
    this.#released = undefined;
    const { isComplete } = this;
    try {
      this.#parts.release();
    } finally {
      released(isComplete);
    }
  }
}

/** Indents the compact JSON that another source gives, chunk by chunk. */
export class PrettyChunks implements CompletedSource {
  readonly #printer = new PrettyPrinter();
  readonly #source: CompletedSource;
  readonly #buffer: Buffer;
  #input: Uint8Array = new Uint8Array(0);

  /**
   * @param buffer where indented chunks are made, 256 KiB at most; not that of the source. Replies may share one if
   *   their sources never answer later
   */
  constructor(source: CompletedSource, buffer: Buffer) {
    this.#source = source;
    this.#buffer = buffer;
  }

  /** True once all is indented: the last chunk held the end. */
  get isComplete(): boolean {
    return this.#source.isComplete && this.#input.length === 0;
  }

  next(): Chunk | Promise<Chunk> {
    for (;;) {
      if (this.#input.length === 0) {
        const more = this.#source.next();
        if (more === null) return null;
        if (!(more instanceof Uint8Array)) return more.then((chunk) => this.#continue(chunk));
        this.#take(more);
      }
      const indented = this.#indent();
      if (indented.length > 0) return indented;
    }
  }

  #continue(chunk: Chunk): Chunk | Promise<Chunk> {
    if (chunk === null) return null;
    this.#take(chunk);
    return this.next();
  }

  /** A copy: the buffer of the source is shared, and this input may take several turns. */
  #take(chunk: Uint8Array): void {
    this.#input = Uint8Array.from(chunk);
  }

  #indent(): Uint8Array {
    this.#printer.push(this.#input, this.#buffer);
    this.#input = this.#input.subarray(this.#printer.consumed);
    return this.#buffer.subarray(0, this.#printer.produced);
  }

  release(): void {
    this.#source.release();
  }
}

/** The beginning of a result, and the source of what follows it. */
export interface FirstPart {
  /** Whole characters of UTF-8. */
  readonly bytes: Uint8Array;
  /** All that was pulled, with what is left out of {@link bytes}. */
  readonly pulled: Uint8Array;
  /** True if this is all. */
  readonly isWhole: boolean;
  readonly source: ChunkSource;
}

/** Pulls from a source until `bound` bytes are there, or it ends; at once if the source gives at once. */
export function pullFirstPart(source: ChunkSource, bound: number): FirstPart | Promise<FirstPart> {
  const pieces: Uint8Array[] = [];
  let pulled = 0;
  /** True if there may be more. */
  const take = (chunk: Chunk): boolean => {
    if (chunk === null) return false;
    pieces.push(Uint8Array.from(chunk));
    pulled += chunk.length;
    return true;
  };
  const made = (isAtEnd: boolean): FirstPart => {
    const all = Buffer.concat(pieces);
    const isWhole = isAtEnd && pulled <= bound;
    return { bytes: isWhole ? all : all.subarray(0, characterEnd(all, bound)), pulled: all, isWhole, source };
  };
  const pullLater = async (first: Promise<Chunk>): Promise<FirstPart> => {
    let isMore = take(await first);
    while (isMore && pulled <= bound) isMore = take(await source.next());
    return made(!isMore);
  };
  while (pulled <= bound) {
    const chunk = source.next();
    if (chunk instanceof Promise) return pullLater(chunk);
    if (!take(chunk)) return made(true);
  }
  return made(false);
}

/** The end of the last whole character of UTF-8 that ends at `bound` or before. */
function characterEnd(bytes: Uint8Array, bound: number): number {
  let end = Math.min(bound, bytes.length);
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return end;
}
