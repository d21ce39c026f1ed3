/** The items that came last: so many at most, and of so much text. */
export class Last<Item> {
  readonly #items: Item[] = [];
  readonly #mostText: number;
  readonly #lengthOf: (item: Item) => number;
  #text = 0;
  #added = 0;
  /** So many are kept; 0: none is. */
  most: number;

  /** @param mostText UTF-16 units of all together, as `lengthOf` counts them */
  constructor(most: number, mostText: number, lengthOf: (item: Item) => number) {
    this.most = most;
    this.#mostText = mostText;
    this.#lengthOf = lengthOf;
  }

  add(item: Item): void {
    if (this.most === 0) return;
    this.#added += 1;
    this.#items.push(item);
    this.#text += this.#lengthOf(item);
    while (this.#items.length > this.most || this.#text > this.#mostText) {
      const oldest = this.#items.shift();
      if (oldest === undefined) return;
      this.#text -= this.#lengthOf(oldest);
    }
  }

  /** So many were ever added. */
  get added(): number {
    return this.#added;
  }

  /** Those that were added when so many had been, as far as they are kept, oldest first; all where there never were so many. */
  since(added: number): readonly Item[] {
    const behind = this.#added - added;
    if (behind === 0) return [];
    return behind < 0 ? this.#items : this.#items.slice(-behind);
  }

  /** Oldest first. */
  get all(): readonly Item[] {
    return this.#items;
  }
}
