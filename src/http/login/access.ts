import type { Caller, ReplyHeaders } from '../exchange.js';

/** A request, as far as its access depends on it; read from the engine only when it is asked for. */
export interface ArrivingRequest {
  /** Value of the header Authorization, '' when absent. */
  readonly authorization: string;
  /** Where it comes from, see `originOf`: an address, `local` or `unknown`. */
  readonly origin: string;
  /** Path without the query, as received. */
  readonly path: string;
}

/** A request is not let in. The connection closes, since its body is not read. */
export class Denial {
  constructor(
    readonly status: 401 | 403 | 429 | 503,
    readonly reason: string,
    readonly headers: ReplyHeaders = {},
    /** True when the address as such is refused. */
    readonly isOfAddress = false,
  ) {}
}

/** Decides who is let in at a listener: once per request, before its path and method are looked at. */
export interface Access {
  /** True when everybody has to log in. */
  readonly needsLogin: boolean;
  /** Tells whether nothing that comes from there is let in. */
  excludes(origin: string): boolean;
  /** Answers later only where a password has to be verified. A promise never rejects. */
  check(request: ArrivingRequest): Caller | Denial | Promise<Caller | Denial>;
}
