/** Milliseconds between two looks at the delay of the event loop. */
const resolution = 20;

/** Milliseconds that the delays are gathered for at least, so that two systems that scrape see about the same. */
const gathering = 10_000;

/**
 * How late the timers of the event loop are.
 *
 * The histogram that Node.js has for it goes over thousands of buckets for its mean, which took longer than printing the whole page.
 */
export class LoopDelay {
  #timer: NodeJS.Timeout | undefined;
  #lookedAt = 0;
  #resetAt = 0;
  #count = 0;
  /** Milliseconds of delay. */
  #sum = 0;
  #most = 0;

  start(): void {
    this.#lookedAt = performance.now();
    this.#reset();
    this.#timer = setInterval(this.#look, resolution);
    this.#timer.unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** Seconds of delay since the last scrapes, 0 before the first look. */
  read(): { readonly mean: number; readonly most: number } {
    const told = { mean: this.#count === 0 ? 0 : this.#sum / this.#count / 1000, most: this.#most / 1000 };
    if (performance.now() - this.#resetAt >= gathering) this.#reset();
    return told;
  }

  readonly #look = (): void => {
    const now = performance.now();
    const delay = Math.max(0, now - this.#lookedAt - resolution);
    this.#lookedAt = now;
    this.#count += 1;
    this.#sum += delay;
    if (delay > this.#most) this.#most = delay;
  };

  #reset(): void {
    this.#resetAt = performance.now();
    this.#count = 0;
    this.#sum = 0;
    this.#most = 0;
  }
}
