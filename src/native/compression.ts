import { addon } from './addon.js';
import { Coding } from './layout.js';

/** The name of a coding, as HTTP has it. */
export type CodingName = keyof typeof Coding;

const open = new Map<number, Compressor>();
const native = addon.compressions((number) => open.get(number)?.onCompressed());

/** Compresses one reply, piece by piece, in threads of the addon. */
export class Compressor {
  readonly #number: number;
  /** Told when the piece that was begun is compressed, or has failed. */
  onCompressed: () => void = () => {};

  private constructor(number: number) {
    this.#number = number;
    open.set(number, this);
  }

  /**
   * @param level from 1, the fastest, to 6
   * @returns undefined when the process compresses as many replies as it may, or gets no memory
   */
  static open(coding: CodingName, level: number): Compressor | undefined {
    const number = native.open(Coding[coding], level);
    return number === 0 ? undefined : new Compressor(number);
  }

  /** Adds a copy of some bytes to the next piece. */
  give(bytes: Uint8Array): void {
    native.give(this.#number, bytes);
  }

  /** Has the piece compressed. The one before has to be taken. */
  begin(isLast: boolean): void {
    native.begin(this.#number, isLast);
  }

  /**
   * Takes what the piece was compressed to.
   *
   * @returns bytes written to the window; less than its length when nothing is left of the piece
   * @throws Error when compressing it failed
   */
  take(window: Uint8Array): number {
    return native.take(this.#number, window);
  }

  /** Frees all of it; harmless when it was called before. */
  release(): void {
    open.delete(this.#number);
    native.release(this.#number);
  }
}

/** Replies that are being compressed in this process, and those whose client left an instant ago. */
export function compressionsOpen(): number {
  return native.inUse();
}
