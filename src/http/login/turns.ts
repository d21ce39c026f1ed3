/** More wait already than may wait. */
export class BusyError extends Error {
  override readonly name = 'BusyError';
}

interface Waiting {
  readonly parties: readonly string[];
  readonly rank: number;
  readonly start: () => void;
  readonly refuse: (reason: BusyError) => void;
}

/**
 * Runs costly tasks, a few at a time, and lets a bounded number wait for their turn. The lowest rank goes first. When too
 * many wait, the place of the highest rank is given away, and among those one of the party with the most places.
 */
export class Turns {
  #running = 0;
  readonly #waiting: Waiting[] = [];

  /**
   * @param atOnce tasks that run at a time
   * @param maxWaiting tasks that may wait
   */
  constructor(
    readonly atOnce: number,
    readonly maxWaiting: number,
  ) {}

  /**
   * @param parties those that the task is for, such as a network and a name: each has a share of the places
   * @throws BusyError when too many wait that go before this one; what the task throws
   */
  async run<T>(task: () => Promise<T>, parties: readonly string[] = [], rank = 0): Promise<T> {
    if (this.#running >= this.atOnce) {
      if (this.#waiting.length >= this.maxWaiting) this.#makeRoom(parties, rank);
      // A task that ends hands its turn over, so that none comes between.
      await new Promise<void>((start, refuse) => this.#waiting.push({ parties, rank, start, refuse }));
    } else {
      this.#running += 1;
    }
    try {
      return await task();
    } finally {
      const next = this.#takeNext();
      if (next === undefined) this.#running -= 1;
      else next.start();
    }
  }

  #takeNext(): Waiting | undefined {
    const ranks = this.#waiting.map(({ rank }) => rank);
    return this.#waiting.splice(ranks.indexOf(Math.min(...ranks)), ranks.length === 0 ? 0 : 1)[0];
  }

  /** @throws BusyError when no place can be given away */
  #makeRoom(parties: readonly string[], rank: number): void {
    const places = new Map<string, number>();
    const placesOf = (all: readonly string[]): number => Math.max(0, ...all.map((one) => places.get(one) ?? 0));
    for (const party of this.#waiting.flatMap((one) => one.parties)) places.set(party, (places.get(party) ?? 0) + 1);
    const busy = new BusyError(`${this.maxWaiting} tasks are waiting already`);
    let last: { readonly at: number; readonly rank: number; readonly places: number } | undefined;
    for (const [at, waiting] of this.#waiting.entries()) {
      const taken = { at, rank: waiting.rank, places: placesOf(waiting.parties) };
      if (last === undefined || taken.rank > last.rank || (taken.rank === last.rank && taken.places >= last.places)) {
        last = taken;
      }
    }
    const wanted = placesOf(parties) + 1;
    if (last === undefined || last.rank < rank || (last.rank === rank && last.places <= wanted)) throw busy;
    this.#waiting.splice(last.at, 1)[0]?.refuse(busy);
  }
}
