import type { Chunk, ChunkSource } from '../http/exchange.js';
import { type Cursor, releaseAll } from '../mi/results/cursor.js';
import { PrettyPrinter } from '../native/native.js';

/** Less room than this is left unused: some cursors need it for one character. */
const leastRoom = 4;

/** A source that tells when its last chunk was the end, so that a reply of one chunk needs no stream. */
export interface CompletedSource extends ChunkSource {
  readonly isComplete: boolean;
}

/** A reply made of parts, as chunks that are as full as its buffer. */
export class ReplyChunks implements CompletedSource {
  readonly #parts: Cursor[];
  readonly #buffer: Buffer;
  readonly #length: () => number | undefined;
  #released: ((isComplete: boolean) => void) | undefined;

  /**
   * @param parts what the reply consists of, in order; released by this
   * @param buffer where chunks are made, 64 KiB at most. Replies may share one if no part of theirs fills it later
   * @param released told once, when the reply has ended or was given up before all of it was printed
   * @param length tells the bytes of all parts together, when known
   */
  constructor(
    parts: readonly Cursor[],
    buffer: Buffer,
    released: (isComplete: boolean) => void,
    length: () => number | undefined = () => undefined,
  ) {
    this.#parts = [...parts];
    this.#length = length;
    this.#buffer = buffer;
    this.#released = released;
  }

  /**
   * With a buffer of its own.
   *
   * @param parts released also when there is no memory for it
   */
  static own(parts: Cursor[], size: number, released: (isComplete: boolean) => void): ReplyChunks {
    let buffer: Buffer;
    try {
      buffer = Buffer.allocUnsafe(size);
    } catch (error) {
      releaseAll(parts);
      throw error;
    }
    return new ReplyChunks(parts, buffer, released);
  }

  /** Bytes of all of it, when known; it may be so once the first chunk is made. */
  get length(): number | undefined {
    return this.#length();
  }

  /** Whether all parts are printed: what the last chunk held was the end. */
  get isComplete(): boolean {
    return this.#parts.length === 0;
  }

  next(): Chunk | Promise<Chunk> {
    return this.#fill(0);
  }

  #fill(start: number): Chunk | Promise<Chunk> {
    let at = start;
    for (let part = this.#parts[0]; part !== undefined; part = this.#parts[0]) {
      if (this.#buffer.length - at < leastRoom) break;
      const written = part.fill(this.#buffer.subarray(at));
      if (typeof written !== 'number') {
        const from = at;
        return written.then((later) => this.#continue(from, later));
      }
      at += written;
      if (written === 0) this.#advance();
    }
    return this.#chunk(at);
  }

  /** What has been waited for is sent at once: the next wait may be long. */
  #continue(at: number, written: number): Chunk | Promise<Chunk> {
    if (written > 0) return this.#chunk(at + written);
    this.#advance();
    return this.#fill(at);
  }

  #chunk(end: number): Chunk {
    return end === 0 ? null : this.#buffer.subarray(0, end);
  }

  #advance(): void {
    this.#parts.shift()?.release();
  }

  /** Harmless when it was called before. */
  release(): void {
    const released = this.#released;
    if (released === undefined) return;
    this.#released = undefined;
    const { isComplete } = this;
    try {
      releaseAll(this.#parts);
    } finally {
      released(isComplete);
    }
  }
}

/** A source whose first chunk has been made already, to see whether it is all there is, and not an error. */
export class BegunChunks implements ChunkSource {
  readonly length: number | undefined;
  #first: Chunk | Promise<Chunk> | undefined;

  /** @param first copied, since it may have to wait for its turn */
  constructor(
    first: Chunk | Promise<Chunk>,
    readonly rest: ChunkSource,
  ) {
    this.length = rest.length;
    this.#first = first instanceof Uint8Array ? Uint8Array.from(first) : first;
    // When the client leaves before its turn, nobody looks at how it ended.
    if (first instanceof Promise) first.catch(() => {});
  }

  next(): Chunk | Promise<Chunk> {
    const first = this.#first;
    this.#first = undefined;
    return first === undefined ? this.rest.next() : first;
  }

  release(): void {
    this.rest.release();
  }
}

/** Indents the compact JSON that another source gives, chunk by chunk. */
export class PrettyChunks implements CompletedSource {
  readonly #printer = new PrettyPrinter();
  readonly #source: CompletedSource;
  readonly #buffer: Buffer;
  #input: Uint8Array = new Uint8Array(0);

  /**
   * @param buffer where indented chunks are made, 64 KiB at most; not that of the source. Replies may share one if
   *   their sources never answer later
   */
  constructor(source: CompletedSource, buffer: Buffer) {
    this.#source = source;
    this.#buffer = buffer;
  }

  /** Whether all is indented: what the last chunk held was the end. */
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
