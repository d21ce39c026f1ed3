import { AsyncResource } from 'node:async_hooks';
import type { ErrorCode } from './codes.js';

/**
 * An error as the reason of an abort, named as those of `AbortSignal.timeout` and `AbortController` are: programs ask for the name,
 * as they do of the errors of `fetch`, or for the code, which tells more.
 */
export function abortReason<E extends Error & { readonly code: ErrorCode }>(error: E): E {
  error.name = error.code === 'ERR_TIMEOUT' ? 'TimeoutError' : 'AbortError';
  return error;
}

/** An abort signal that is created on first use: few handlers look at it. */
export class LazyAbort {
  #controller: AbortController | undefined;
  /** Where the signal was first asked for: its listeners run there, wherever it is aborted from. */
  #context: AsyncResource | undefined;
  #reason: Error | undefined;

  /** Made on first use. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      this.#context = new AsyncResource('mi-httpd signal');
      if (this.#reason !== undefined) this.#controller.abort(this.#reason);
    }
    return this.#controller.signal;
  }

  /** Aborts {@link signal} with `reason`; the first reason stays. */
  abort(reason: Error): void {
    if (this.#reason !== undefined) return;
    this.#reason = reason;
    this.#context?.runInAsyncScope(() => this.#controller?.abort(reason));
  }
}
