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

/** A call on its way by one transport. */
export class Attempt {
  /** The id that it is sent with; 0 until then. */
  id = 0;
  /** Time by `performance.now()` at which it is given up. */
  expires: number;
  /** For the roster of its lane. */
  place = -1;
  #owner: AttemptOwner | undefined;

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
