import { PrettyPrinter } from '../../native.js';

/** What a streamed reply is pulled from; see `ChunkSource` of httpd. */
interface Chunks {
  next(): Uint8Array | null;
  release(): void;
}

/** Indents the compact JSON that another source gives, chunk by chunk. */
export class PrettyChunks {
  readonly #printer = new PrettyPrinter();
  #input: Uint8Array = new Uint8Array(0);

  /** @param buffer where indented chunks are written; shared as in TextChunks, but not with the source */
  constructor(
    readonly source: Chunks,
    readonly buffer: Buffer,
  ) {}

  next(): Uint8Array | null {
    for (;;) {
      if (this.#input.length === 0) {
        const more = this.source.next();
        if (more === null) return null;
        // The source may share its buffer with other streams, while this chunk may take several turns.
        this.#input = Uint8Array.from(more);
      }
      this.#printer.push(this.#input, this.buffer);
      this.#input = this.#input.subarray(this.#printer.consumed);
      if (this.#printer.produced > 0) return this.buffer.subarray(0, this.#printer.produced);
    }
  }

  release(): void {
    this.source.release();
  }
}
