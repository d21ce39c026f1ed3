/** Parties whose calls are counted at once. */
const capacity = 16384;

interface Bucket {
  tokens: number;
  at: number;
}

/**
 * Limits how often each party calls: `rate` calls a second in the long run, and as many at once. A party that has not
 * called for a second is as good as new, so that forgetting those that were idle the longest changes little.
 */
export class RateLimit {
  readonly #buckets = new Map<string, Bucket>();

  /**
   * @param rate calls a second, 1 or more
   * @param now milliseconds of a clock that never goes back
   */
  constructor(
    readonly rate: number,
    readonly now: () => number = () => performance.now(),
  ) {}

  /** Parties that are remembered. */
  get size(): number {
    return this.#buckets.size;
  }

  /** Takes one call. @returns 0, or the whole seconds after which the next one is free */
  take(party: string): number {
    const now = this.now();
    const bucket = this.#buckets.get(party) ?? { tokens: this.rate, at: now };
    this.#buckets.delete(party);
    this.#buckets.set(party, bucket);
    if (this.#buckets.size > capacity) {
      const [oldest] = this.#buckets.keys();
      if (oldest !== undefined) this.#buckets.delete(oldest);
    }
    bucket.tokens = Math.min(this.rate, bucket.tokens + ((now - bucket.at) / 1000) * this.rate);
    bucket.at = now;
    if (bucket.tokens < 1) return Math.ceil((1 - bucket.tokens) / this.rate);
    bucket.tokens -= 1;
    return 0;
  }
}
