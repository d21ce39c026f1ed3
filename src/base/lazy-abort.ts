/** An abort signal that is created on first use: few handlers look at it. */
export class LazyAbort {
  #controller: AbortController | undefined;
  #reason: Error | undefined;

  /** Made on first use. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#reason !== undefined) this.#controller.abort(this.#reason);
    }
    return this.#controller.signal;
  }

  /** Aborts {@link signal} with `reason`; the first reason stays. */
  abort(reason: Error): void {
    if (this.#reason !== undefined) return;
    this.#reason = reason;
    this.#controller?.abort(reason);
  }
}
