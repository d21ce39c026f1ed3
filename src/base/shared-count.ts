/** Numbers between those of two threads, which are changed often: no line of a processor's cache has two. */
const stride = 16;

/**
 * How many of something all threads have together, such as connections: a limit holds for all of them, whichever thread
 * asks.
 */
export class SharedCount {
  readonly memory: SharedArrayBuffer;
  /** First all together, then those of each thread. */
  readonly #cells: Int32Array;
  readonly #own: number;

  constructor(memory: SharedArrayBuffer = SharedCount.make(), thread = 0) {
    this.memory = memory;
    this.#cells = new Int32Array(memory);
    this.#own = placeOf(thread);
  }

  static make(threads = 1): SharedArrayBuffer {
    return new SharedArrayBuffer(placeOf(threads) * Int32Array.BYTES_PER_ELEMENT);
  }

  /** Those of all threads. */
  get total(): number {
    return Atomics.load(this.#cells, 0);
  }

  /** Those of this thread. */
  get own(): number {
    return this.#cells[this.#own] ?? 0;
  }

  /** One more. @returns how many there are now, with it */
  add(): number {
    Atomics.add(this.#cells, this.#own, 1);
    return Atomics.add(this.#cells, 0, 1) + 1;
  }

  /** One more, unless there are `most` by now. */
  take(most: number): boolean {
    for (let total = this.total; total < most; ) {
      const seen = Atomics.compareExchange(this.#cells, 0, total, total + 1);
      if (seen === total) {
        Atomics.add(this.#cells, this.#own, 1);
        return true;
      }
      total = seen;
    }
    return false;
  }

  /** One that this thread had is no more. */
  remove(): void {
    Atomics.sub(this.#cells, this.#own, 1);
    Atomics.sub(this.#cells, 0, 1);
  }

  /** A thread has ended, and has none any more. */
  lost(thread: number): void {
    Atomics.sub(this.#cells, 0, Atomics.exchange(this.#cells, placeOf(thread), 0));
  }
}

function placeOf(thread: number): number {
  return (thread + 1) * stride;
}
