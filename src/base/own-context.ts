import { AsyncResource } from 'node:async_hooks';

const { runInAsyncScope } = AsyncResource.prototype;

/**
 * Runs code of one owner in an asynchronous context of its own, so that a store set there by `AsyncLocalStorage.enterWith` is not
 * seen by later code. Callbacks of the engine all have one context, and Node.js 20 and 22 keep it from one to the next.
 *
 * A context is a resource of Node.js. To make one for every call would cost four times as much as to use one again, which is
 * possible while no store has been set on it: a setter on its prototype notices one, and the next call gets a fresh context.
 */
export class OwnContext {
  /** Nothing runs in it but the making of the others, which take over what it has: what there was when it was made. */
  readonly #origin = new AsyncResource('mi-httpd');
  #isMarked = false;
  readonly #prototype = new Proxy(AsyncResource.prototype, {
    set: (_target, name, value, receiver) => {
      this.#isMarked = true;
      return Reflect.defineProperty(receiver as object, name, {
        value,
        writable: true,
        enumerable: true,
        configurable: true,
      });
    },
  });
  #resource = this.#fresh();

  /** Calls a function with two arguments, which costs less than one that has to be made to hold them. */
  run<A, B, R>(work: (a: A, b: B) => R, a: A, b: B): R {
    try {
      return runInAsyncScope.call(this.#resource, work as never, undefined, a, b) as R;
    } finally {
      if (this.#isMarked) this.#resource = this.#fresh();
    }
  }

  #fresh(): AsyncResource {
    const resource = this.#origin.runInAsyncScope(
      () => new AsyncResource('mi-httpd call', { requireManualDestroy: true }),
    );
    // An own property is set without the setter: then every call counts as one that has set it.
    this.#isMarked = Object.getOwnPropertySymbols(resource).some(({ description }) => description === 'kResourceStore');
    return Object.setPrototypeOf(resource, this.#prototype) as AsyncResource;
  }
}
