/** Memory of {@link Rows}, as a thread can be given it. */
export interface SharedRows {
  readonly buffer: SharedArrayBuffer;
  /** Numbers of a row. */
  readonly width: number;
  /** Threads that have a row. */
  readonly threads: number;
}

/** Numbers between two rows: no line of a processor's cache has numbers of both, wherever the memory begins. */
const gap = 16;

const none: readonly Float64Array[] = [];

/**
 * Numbers that several threads count together. Each thread has a row of its own, changed by plain stores; what is told is the
 * sum. Sums are not those of one instant, but what a thread stored before it told another one of it is in them.
 */
export class Rows {
  readonly shared: SharedRows;
  /** The numbers that this thread counts. */
  readonly own: Float64Array;
  /** What the sums have beside {@link own}: empty where one thread counts alone. */
  readonly others: readonly Float64Array[];
  /** Added to the sums, so that they can be set without a store to a row of another thread. */
  readonly #set: Float64Array | undefined;

  /** @param thread that counts here; 0 is the one that sets sums */
  constructor(shared: SharedRows, thread = 0) {
    this.shared = shared;
    this.own = this.row(thread);
    if (shared.threads === 1) {
      this.others = none;
      return;
    }
    const rows = Array.from({ length: shared.threads }, (_, index) => this.row(index));
    this.#set = this.row(shared.threads);
    // First what was set: a sum that is being set is too large for a moment, and not below 0.
    this.others = [this.#set, ...rows.filter((_, index) => index !== thread)];
  }

  static make(width: number, threads = 1): SharedRows {
    // One thread alone needs no row for what is set.
    const count = threads === 1 ? 1 : threads + 1;
    const length = count * (width + gap) * Float64Array.BYTES_PER_ELEMENT;
    return { buffer: new SharedArrayBuffer(length), width, threads };
  }

  /** The row of a thread. */
  row(thread: number): Float64Array {
    const { buffer, width } = this.shared;
    return new Float64Array(buffer, thread * (width + gap) * Float64Array.BYTES_PER_ELEMENT, width);
  }

  sum(place: number): number {
    let sum = this.own[place] ?? 0;
    for (const row of this.others) sum += row[place] ?? 0;
    return sum;
  }

  /** Writes the sums of places side by side to the start of `out`. */
  sums(first: number, count: number, out: Float64Array): void {
    out.set(this.own.subarray(first, first + count));
    for (const row of this.others) for (let at = 0; at < count; at++) out[at] = (out[at] ?? 0) + (row[first + at] ?? 0);
  }

  /** Makes a sum that value. By thread 0 alone. */
  set(place: number, value: number): void {
    if (this.#set !== undefined) {
      let others = 0;
      for (const row of this.others) if (row !== this.#set) others += row[place] ?? 0;
      this.#set[place] = -others;
    }
    this.own[place] = value;
  }
}
