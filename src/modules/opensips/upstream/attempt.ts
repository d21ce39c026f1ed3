import type { MiError } from '../../../mi/errors.js';
import type { Request } from './request.js';
import type { UpstreamCall, UpstreamFailure, UpstreamResult } from './transport.js';

/** Is told how an attempt ended: one of the three, once. */
export interface AttemptOwner {
  answered(result: UpstreamResult): void;
  /** OpenSIPS answered with an error. */
  refused(error: MiError): void;
  failed(failure: UpstreamFailure): void;
}

/** Bytes of a long reply that are progress. OpenSIPS has printed a reply before it sends it, and what it sends is read at once. */
const leastProgress = 65_536;

/** A call on its way by one transport. */
export class Attempt {
  /** The id that it is sent with; 0 until then. */
  id = 0;
  /** Time by `performance.now()` at which it is given up. */
  expires: number;
  /** For the roster of its lane. */
  place = -1;
  #owner: AttemptOwner | undefined;
  /** Bytes of its long reply since {@link expires} was moved. */
  #progress = leastProgress;

  /**
   * @param patience milliseconds from the sending on after which it counts as lost, where another attempt is allowed; else
   *   `expires` counts alone
   */
  constructor(
    readonly call: UpstreamCall,
    readonly request: Request,
    expires: number,
    readonly patience: number,
    owner: AttemptOwner,
  ) {
    this.expires = expires;
    this.#owner = owner;
  }

  /** True once its owner knows how it ended, or wants no answer. */
  get isSettled(): boolean {
    return this.#owner === undefined;
  }

  /**
   * Bytes of its long reply have come. One that comes slowly keeps its transport from others.
   * @param standstill milliseconds in which {@link leastProgress} has to come
   */
  comes(bytes: number, standstill: number): void {
    this.#progress += bytes;
    if (this.#progress < leastProgress) return;
    this.#progress = 0;
    this.expires = performance.now() + standstill;
  }

  answered(result: UpstreamResult): void {
    this.#take()?.answered(result);
  }

  refused(error: MiError): void {
    this.#take()?.refused(error);
  }

  failed(failure: UpstreamFailure): void {
    this.#take()?.failed(failure);
  }

  /** Its owner is told nothing any more. */
  abandon(): void {
    this.#owner = undefined;
  }

  #take(): AttemptOwner | undefined {
    const owner = this.#owner;
    this.#owner = undefined;
    return owner;
  }
}
