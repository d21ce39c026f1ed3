/** Who called. */
export interface Client {
  /** Address of the other end of the connection. */
  readonly remoteAddress: string;
}

/** One MI command being run. */
export class Call {
  /** When waiting for its result began, by `performance.now()`; undefined while nobody had to wait. */
  waitedSince: number | undefined = undefined;
  #controller: AbortController | undefined;
  #abortReason: Error | undefined;

  /**
   * @param command full name of the command
   * @param client who called; `undefined` within the process
   */
  constructor(
    readonly command: string,
    readonly client?: Client,
  ) {}

  /**
   * Aborted when nobody waits for the result any more: the client left, the deadline passed or the
   * server stops. Made on first use, since few handlers look at it.
   */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#abortReason !== undefined) this.#controller.abort(this.#abortReason);
    }
    return this.#controller.signal;
  }

  /** Aborts {@link signal} with `reason`; the first reason stays. */
  abort(reason: Error): void {
    if (this.#abortReason !== undefined) return;
    this.#abortReason = reason;
    this.#controller?.abort(reason);
  }
}
