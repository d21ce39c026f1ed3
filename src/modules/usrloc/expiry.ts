import { currentSecond } from '../../base/clock.js';
import type { Log } from '../../base/log.js';
import { Slice } from '../../base/slice.js';
import type { Domain } from './domain.js';

/** Deletes the contacts that have expired, every few seconds, in slices between which other work has its turn. */
export class ExpiryTimer {
  readonly #domains: () => Iterable<Domain>;
  readonly #interval: number;
  readonly #atOnce: number;
  readonly #log: Log;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #isStopped = false;

  /**
   * @param domains the domains that there are when a search begins
   * @param interval seconds between two searches
   * @param atOnce contacts that one slice deletes at most; the contacts of one address of record leave together
   */
  constructor(domains: () => Iterable<Domain>, interval: number, atOnce: number, log: Log) {
    this.#domains = domains;
    this.#interval = interval;
    this.#atOnce = atOnce;
    this.#log = log;
  }

  start(): void {
    this.#timer = setInterval(() => {
      this.run().catch((error: unknown) => {
        this.#log.error({ err: error }, 'search for expired contacts failed; it is tried again');
      });
    }, this.#interval * 1000);
    // Contacts in memory are no reason for a process to stay.
    this.#timer.unref();
  }

  /** Ends the searches; one that is under way ends with its slice. */
  stop(): void {
    this.#isStopped = true;
    clearInterval(this.#timer);
  }

  /** Searches now, unless a search is under way: then waits for that. */
  run(): Promise<void> {
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  async #run(): Promise<void> {
    const now = currentSecond();
    let deleted = 0;
    const slice = new Slice();
    const rest = (): Promise<void> => {
      deleted = 0;
      return slice.rest();
    };
    for (const domain of [...this.#domains()]) {
      for (const keys of domain.due(now)) {
        for (const key of keys) {
          if (this.#isStopped) return;
          deleted += domain.expire(key);
          if (deleted >= this.#atOnce || slice.isOver) await rest();
        }
        if (slice.isOver) await rest();
        if (this.#isStopped) return;
      }
    }
  }
}
