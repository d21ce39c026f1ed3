/** Milliseconds of one turn of the event loop that are spent on writing events; the rest is written in further turns. */
const longestTurn = 0.5;

/** A writer with a queue. */
export interface Writer {
  /** Writes one piece; tells whether there is more. */
  writeOne(): boolean;
}

/**
 * Shares the event loop out among connections: an event for hundreds of subscribers is written at once as far as that
 * takes no time, and else in turns between which everybody else is served.
 */
export class WriteTurns {
  /** Writers with more to write, in order of arrival. */
  readonly #waiting = new Set<Writer>();
  #spent = 0;
  #isScheduled = false;

  /** Lets `writer` write, now or in a later turn, until it has nothing more. */
  add(writer: Writer): void {
    this.#waiting.add(writer);
    this.#run();
  }

  /** Takes out a writer that has nothing to write any more. */
  remove(writer: Writer): void {
    this.#waiting.delete(writer);
  }

  #run(): void {
    const begin = performance.now() - this.#spent;
    for (const writer of this.#waiting) {
      if (this.#spent >= longestTurn) break;
      this.#waiting.delete(writer);
      // Behind the others: a long queue does not delay short ones.
      if (writer.writeOne()) this.#waiting.add(writer);
      this.#spent = performance.now() - begin;
    }
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      this.#spent = 0;
      if (this.#waiting.size > 0) this.#run();
    });
  }
}
