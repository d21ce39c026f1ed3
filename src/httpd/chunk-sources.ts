import type { Chunk, ChunkSource, Exchange } from './exchange.js';
import type { RootDeclaration } from './roots.js';

/** A body that is there already, handed over as it is. */
export class HeldBody implements ChunkSource {
  readonly length: number;
  #body: Uint8Array | null;

  constructor(body: Uint8Array) {
    this.length = body.length;
    this.#body = body;
  }

  next(): Chunk {
    const body = this.#body;
    this.#body = null;
    return body;
  }

  release(): void {
    this.#body = null;
  }
}

/** The body of a reply as the flush handler of a root gives it. */
export class FlushedBody implements ChunkSource {
  readonly #onFlush: NonNullable<RootDeclaration['onFlush']>;
  readonly #exchange: Exchange;
  readonly #max: number;
  #position = 0;

  /**
   * @param max most bytes asked for at once
   * @throws TypeError naming the root that has no flush handler
   */
  constructor(declaration: RootDeclaration, exchange: Exchange, max: number) {
    if (declaration.onFlush === undefined) {
      throw new TypeError(
        `root "${declaration.root}" of module ${declaration.module} has no onFlush; declare it or use reply()`,
      );
    }
    this.#onFlush = declaration.onFlush.bind(declaration);
    this.#exchange = exchange;
    this.#max = max;
  }

  next(): Chunk | Promise<Chunk> {
    const given = this.#onFlush(this.#exchange, this.#position, this.#max);
    return given instanceof Promise ? given.then((later) => this.#count(later)) : this.#count(given);
  }

  release(): void {}

  #count(given: Chunk | string): Chunk {
    const chunk = typeof given === 'string' ? Buffer.from(given) : given;
    if (chunk !== null) this.#position += chunk.length;
    return chunk;
  }
}
