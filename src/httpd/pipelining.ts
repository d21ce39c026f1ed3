import { addressOf } from '../native.js';

/**
 * Requests that may come in one piece on one connection: a client that sends 32 at a time is served, one that sends
 * thousands would keep all others waiting for as long.
 */
export const longestPipeline = 64;

/** Requests before it is looked at where they come from; as many more than {@link longestPipeline} may get through. */
const watchedFrom = 16;

/** Milliseconds of one turn after which requests without a body wait for the next. */
const longestTurn = 2;

/**
 * Finds connections on which many requests come in one piece. The engine hands over all of a piece, up to 512 KiB, in one
 * turn, does not tell which connection a request is of, and cannot be told to stop. But bodies lie in the memory that
 * it has received into, which begins anew with each piece: those of one piece lie one behind the other.
 */
export class Pipelining {
  #requests = 0;
  #watchedSince = 0;
  #place = 0;
  /** Requests of the piece that is being handed over. */
  #run = 0;

  /** Made once: a function made in {@link count} would take memory at each call of it. */
  readonly #reset = (): void => {
    this.#requests = 0;
  };

  /** Counts a request. */
  count(): void {
    this.#requests += 1;
    if (this.#requests !== watchedFrom) return;
    this.#watchedSince = performance.now();
    this.#place = 0;
    this.#run = 0;
    // Once for so many requests, in whatever turns they came: then the count is at most what one turn had.
    setImmediate(this.#reset);
  }

  /**
   * By how many requests its connection has sent too many in one piece, up to the one with this body, which lies where the
   * engine received it; 0: it has not.
   */
  excess(body: ArrayBuffer): number {
    if (this.#requests <= watchedFrom || body.byteLength === 0) return 0;
    const place = addressOf(body);
    this.#run = place > this.#place ? this.#run + 1 : 1;
    this.#place = place;
    return Math.max(0, this.#run - longestPipeline);
  }

  /** Whether a request without a body, of which it cannot be told where it comes from, is to wait for the next turn. */
  isTurnLong(): boolean {
    return this.#requests > watchedFrom && performance.now() - this.#watchedSince > longestTurn;
  }
}
