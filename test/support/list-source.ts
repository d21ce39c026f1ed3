import type { Chunk, ChunkSource } from '#src/http/exchange.js';

/** A source of given chunks that counts its releases. */
export class ListSource implements ChunkSource {
  released = 0;
  readonly length?: number;

  constructor(
    readonly chunks: (Chunk | Promise<Chunk> | Error | string | (() => Promise<Chunk>))[],
    length?: number,
  ) {
    if (length !== undefined) this.length = length;
  }

  next(): Chunk | Promise<Chunk> {
    const next = this.chunks.shift() ?? null;
    if (next instanceof Error) throw next;
    if (typeof next === 'function') return next();
    return typeof next === 'string' ? Buffer.from(next) : next;
  }

  release(): void {
    this.released++;
  }
}
