/** More wait already than may wait. */
export class BusyError extends Error {
  override readonly name = 'BusyError';
}

/** Runs costly tasks, a few at a time, and lets a bounded number wait for their turn. */
export class Turns {
  #running = 0;
  readonly #waiting: (() => void)[] = [];

  /**
   * @param atOnce tasks that run at a time
   * @param maxWaiting tasks that may wait
   */
  constructor(
    readonly atOnce: number,
    readonly maxWaiting: number,
  ) {}

  /** @throws BusyError when too many wait; what the task throws */
  async run<T>(task: () => Promise<T>): Promise<T> {
    if (this.#running >= this.atOnce) {
      if (this.#waiting.length >= this.maxWaiting) throw new BusyError(`${this.maxWaiting} tasks are waiting already`);
      // Whoever ends hands its turn over, so that nobody comes between.
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    } else {
      this.#running += 1;
    }
    try {
      return await task();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#running -= 1;
      else next();
    }
  }
}
