import { memoryAddress } from '../../../native/addon.js';
import { longestPipeline, Offenders } from '../offenders.js';

/** Requests before it is looked at where they come from; as many more than {@link longestPipeline} may get through. */
const watchedFrom = 8;

/** Unless somebody has sent too many lately, one of so many is looked at, since that costs a tenth of a call; a power of two. */
const watchedShare = 4;

/** Length of a run from which each is looked at. */
const exactFrom = longestPipeline - 2 * watchedShare;

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
  /** Which request {@link #place} is of. */
  #lookedAt = 0;
  /** Requests of the piece that is being handed over. */
  #run = 0;
  readonly offenders = new Offenders();

  /** Made once: a function made in {@link count} would take memory at each call of it. */
  readonly #reset = (): void => {
    this.#requests = 0;
  };

  /** Counts a request. */
  count(): void {
    this.#requests += 1;
    if (this.#requests !== watchedFrom) return;
    this.#watchedSince = performance.now();
    this.offenders.forget(this.#watchedSince);
    this.#place = 0;
    this.#lookedAt = watchedFrom;
    this.#run = 0;
    // Once for so many requests, in whatever turns they came: then the count is at most what one turn had.
    setImmediate(this.#reset);
  }

  /**
   * How many requests its connection has sent in one piece, up to the one with this body, which lies where the engine
   * received it; 0: few.
   */
  runLength(body: ArrayBuffer): number {
    if (this.#requests <= watchedFrom || body.byteLength === 0) return 0;
    const share = !this.offenders.isEmpty || this.#run >= exactFrom ? 1 : watchedShare;
    if ((this.#requests & (share - 1)) !== 0) return this.#run;
    const place = memoryAddress(body);
    this.#run = place > this.#place ? this.#run + this.#requests - this.#lookedAt : 1;
    this.#place = place;
    this.#lookedAt = this.#requests;
    return this.#run;
  }

  /** Tells whether a request without a body, of which it cannot be told where it comes from, is to wait for the next turn. */
  isTurnLong(): boolean {
    return this.#requests > watchedFrom && performance.now() - this.#watchedSince > longestTurn;
  }
}
