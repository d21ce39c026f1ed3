/** Something that has a place in a {@link Roster} at a time. */
export interface Placed {
  /** Kept by the roster; -1 outside of it. */
  place: number;
}

/**
 * A set in no order, of things that come and go with every call. A `Set` makes new tables all the time, and those that are
 * thrown away keep what was in them from the collector until it looks at all memory.
 */
export class Roster<T extends Placed> {
  readonly #items: T[] = [];

  get size(): number {
    return this.#items.length;
  }

  /** Those in it now; not to be changed, nor to be kept while others come and go. */
  get items(): readonly T[] {
    return this.#items;
  }

  add(item: T): void {
    item.place = this.#items.push(item) - 1;
  }

  has(item: T): boolean {
    return item.place >= 0 && this.#items[item.place] === item;
  }

  /** @returns false when it was not in it */
  delete(item: T): boolean {
    if (!this.has(item)) return false;
    const last = this.#items.pop();
    if (last !== undefined && last !== item) {
      this.#items[item.place] = last;
      last.place = item.place;
    }
    item.place = -1;
    return true;
  }
}
