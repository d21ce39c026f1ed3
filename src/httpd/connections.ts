import { Counter, type HttpCounters } from './counters.js';
import type { UwsResponse } from './engine.js';

/**
 * Counts the connections of a server and the exchanges on them, keeps the connections within their limit,
 * and tells when a stopping server has nothing left to do.
 */
export class Connections {
  open = 0;
  /** Requests whose reply has not ended. */
  exchanges = 0;
  isStopping = false;
  /** While stopping: connections that will not close by themselves, having nothing to send. */
  #idle = 0;
  readonly #waiting = new Set<() => void>();

  constructor(
    readonly max: number,
    readonly counters: HttpCounters,
  ) {}

  /** The engine tells that a connection has come (1) or gone (-1). */
  readonly change = (response: UwsResponse, delta: number): void => {
    this.open += delta;
    this.counters.add(Counter.connections, delta);
    if (delta < 0) {
      this.#tell();
      return;
    }
    this.counters.add(Counter.connectionsTotal, 1);
    // One that was accepted just before the listen socket closed.
    if (this.isStopping) this.#idle++;
    if (this.open > this.max) {
      this.counters.add(Counter.refusedConnections, 1);
      response.close();
    }
  };

  exchangeBegan(): void {
    this.exchanges++;
    if (this.isStopping) this.#idle--;
  }

  /** @param isClosing whether the connection closes by itself once the reply is sent */
  exchangeEnded(isClosing: boolean): void {
    this.exchanges--;
    if (!this.isStopping) return;
    if (!isClosing) this.#idle++;
    this.#tell();
  }

  stop(): void {
    if (this.isStopping) return;
    this.isStopping = true;
    this.#idle = this.open - this.exchanges;
  }

  /** Resolves when every exchange has ended and its reply is on its way, or after `deadline` milliseconds. */
  drained(deadline: number): Promise<void> {
    if (this.#isDrained()) return Promise.resolve();
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#waiting.delete(done);
        resolve();
      };
      const timer = setTimeout(done, deadline);
      this.#waiting.add(done);
    });
  }

  /** Idle connections keep nobody waiting; one that sends the end of its reply does, since it closes afterwards. */
  #isDrained(): boolean {
    return this.exchanges === 0 && this.open <= Math.max(0, this.#idle);
  }

  #tell(): void {
    if (this.#waiting.size === 0 || !this.#isDrained()) return;
    for (const done of this.#waiting) done();
  }
}
