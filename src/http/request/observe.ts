import type { Chunk, ChunkSource } from '../exchange.js';

/** Sees how the reply of an exchange begins. */
export interface ReplyObserver {
  /**
   * Told once, before anything is sent.
   * @param beginning of the body: all of it, or {@link observedBytes} at least unless it is shorter; lent until this returns
   */
  replied(status: number, beginning: string | Uint8Array): void;
}

/** The two ends of a connection, as far as they are known. */
export interface ConnectionEnds {
  /** '' where it is not known, and of a Unix socket. */
  readonly remoteAddress: string;
  /** 0 where it is not known. */
  readonly remotePort: number;
  /** Where the listener is set to listen: an address, or `*`. */
  readonly address: string;
  /** 0 where any port will do. */
  readonly port: number;
}

/** Bytes of the beginning of a body that an observer sees. */
export const observedBytes = 128;

/** The body of a reply whose beginning is told when it is there. */
export class ObservedChunks implements ChunkSource {
  readonly isEndless: boolean;
  readonly #source: ChunkSource;
  #tell: ((beginning: Uint8Array) => void) | undefined;
  /** Of a body that comes in small pieces. */
  readonly #beginning = Buffer.alloc(observedBytes);
  #length = 0;

  constructor(source: ChunkSource, tell: (beginning: Uint8Array) => void) {
    this.#source = source;
    this.#tell = tell;
    this.isEndless = source.isEndless ?? false;
  }

  get length(): number | undefined {
    return this.#source.length;
  }

  next(): Chunk | Promise<Chunk> {
    const chunk = this.#source.next();
    if (this.#tell === undefined) return chunk;
    return chunk instanceof Promise ? chunk.then((later) => this.#see(later)) : this.#see(chunk);
  }

  /** A body that is given up before it has begun is not told of: another reply may take its place. */
  release(): void {
    if (this.#length > 0) this.#told();
    this.#source.release();
  }

  #see(chunk: Chunk): Chunk {
    if (chunk === null) this.#told();
    else {
      const seen = chunk.subarray(0, observedBytes - this.#length);
      this.#beginning.set(seen, this.#length);
      this.#length += seen.length;
      // What has no end may have few bytes for long.
      if (this.#length === observedBytes || (this.isEndless && this.#length > 0)) this.#told();
    }
    return chunk;
  }

  #told(): void {
    const tell = this.#tell;
    this.#tell = undefined;
    tell?.(this.#beginning.subarray(0, this.#length));
  }
}
