import { addon } from './addon.js';

/** Names of statistics, encoded once, and their values, which JavaScript changes with plain stores. */
export class StatisticsTable {
  readonly #names = addon.statisticNames();
  #size = 0;
  /** Value of each slot; one that is not finite is printed as null. */
  readonly values: Float64Array;

  /** @param capacity statistics that can be added */
  constructor(readonly capacity: number) {
    this.values = new Float64Array(capacity);
  }

  /**
   * Adds a statistic by its full name, `group:name`.
   *
   * @returns its slot
   * @throws RangeError when the table is full
   */
  add(name: string): number {
    if (this.#size >= this.capacity) {
      throw new RangeError(`statistic ${name} is one more than the ${this.capacity} a table was made for`);
    }
    this.#size += 1;
    return this.#names.add(name);
  }

  /** For {@link ReplyWindow}: writes `{"group:name":value,…}` at a position; the one behind it, -1 if it does not fit. */
  print(selection: Uint32Array, window: Uint8Array, at: number): number {
    return this.#names.print(this.values, selection, window, at);
  }

  /** The same object as bytes of the caller's own, for replies larger than a window. */
  printText(selection: Uint32Array): Uint8Array {
    return this.#names.printAll(this.values, selection);
  }
}
