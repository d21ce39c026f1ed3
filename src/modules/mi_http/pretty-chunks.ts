import type { Chunk } from '../../httpd/exchange.js';
import { PrettyPrinter } from '../../native.js';
import type { CompletedSource } from './reply-chunks.js';

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
