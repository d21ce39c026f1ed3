/** Failures that an address may have within {@link memory} before it has to wait. */
export const freeFailures = 5;

/** Milliseconds for which failures are remembered. */
const memory = 60_000;

/** Longest wait, seconds. */
const longestWait = 60;

/** Networks that are remembered at once; above it the one that failed the longest ago is forgotten. */
const capacity = 4096;

interface Record {
  failures: number;
  /** Logins that are being verified. */
  running: number;
  lastFailure: number;
  /** Seconds of the last wait, 0: none yet. */
  wait: number;
  until: number;
}

/**
 * Makes guessing slow: a network with {@link freeFailures} failed logins within a minute waits 1 second, and twice as
 * long after each further failure, up to a minute. A login that succeeds clears it.
 */
export class BackOff {
  readonly #records = new Map<string, Record>();

  /** @param now milliseconds of a clock that never goes back */
  constructor(readonly now: () => number = () => performance.now()) {}

  /** Networks that are remembered. */
  get size(): number {
    return this.#records.size;
  }

  /** Whole seconds for which no login is accepted from this network; 0: none. */
  wait(network: string): number {
    const record = this.#records.get(network);
    if (record === undefined) return 0;
    const left = record.until - this.now();
    if (left > 0) return Math.ceil(left / 1000);
    // Those under way may all fail: more at once would be more guesses than are free.
    return record.running >= freeFailures ? 1 : 0;
  }

  /** A login is being verified; {@link failed}, {@link succeeded} or {@link ended} tells how it went. */
  began(network: string): void {
    this.#record(network).running += 1;
  }

  /** A login that began has ended, whatever came of it. */
  ended(network: string): void {
    const record = this.#records.get(network);
    if (record !== undefined && record.running > 0) record.running -= 1;
    if (record?.running === 0 && record.failures === 0) this.#records.delete(network);
  }

  failed(network: string): void {
    const now = this.now();
    const record = this.#record(network);
    if (now - record.lastFailure > memory + record.wait * 1000) Object.assign(record, { failures: 0, wait: 0 });
    record.failures += 1;
    record.lastFailure = now;
    if (record.failures < freeFailures) return;
    record.wait = Math.min(Math.max(1, record.wait * 2), longestWait);
    record.until = now + record.wait * 1000;
  }

  succeeded(network: string): void {
    const record = this.#records.get(network);
    if (record === undefined) return;
    Object.assign(record, { failures: 0, wait: 0, until: 0 });
    if (record.running === 0) this.#records.delete(network);
  }

  /** The record of a network, newest in the order of the map. */
  #record(network: string): Record {
    const record = this.#records.get(network) ?? { failures: 0, running: 0, lastFailure: -Infinity, wait: 0, until: 0 };
    this.#records.delete(network);
    this.#records.set(network, record);
    if (this.#records.size > capacity) {
      const [oldest] = this.#records.keys();
      if (oldest !== undefined) this.#records.delete(oldest);
    }
    return record;
  }
}
