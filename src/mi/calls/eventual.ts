/** Is told how something ended: one of the two, once. */
export interface Settling<T> {
  fulfilled(value: T): void;
  rejected(error: unknown): void;
}

/**
 * A result that comes later, told at once to those who listen, in their order. A promise would tell each on a later turn, and be
 * made anew at each step of the way: of a small call that was most of its cost.
 */
export class Eventual<T> implements PromiseLike<T> {
  #isSettled = false;
  #hasFailed = false;
  #value: T | undefined;
  #error: unknown;
  #first: Settling<T> | undefined;
  #others: Settling<T>[] | undefined;

  get isSettled(): boolean {
    return this.#isSettled;
  }

  /** What it gave, once it is settled. @throws what it failed with */
  outcome(): T {
    if (this.#hasFailed) throw this.#error;
    return this.#value as T;
  }

  /** Adds a listener, which is told at once when it is settled. Listeners never throw. */
  listen(listener: Settling<T>): void {
    if (this.#isSettled) this.#tell(listener);
    else if (this.#first === undefined) this.#first = listener;
    else {
      this.#others ??= [];
      this.#others.push(listener);
    }
  }

  // biome-ignore lint/suspicious/noThenProperty: it may be awaited as a promise is, where that costs nothing to speak of.
  then<A = T, B = never>(
    fulfilled?: ((value: T) => A | PromiseLike<A>) | null,
    rejected?: ((error: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return new Promise<T>((resolve, reject) => this.listen({ fulfilled: resolve, rejected: reject })).then(
      fulfilled,
      rejected,
    );
  }

  protected fulfill(value: T): void {
    this.#value = value;
    this.#settle();
  }

  protected fail(error: unknown): void {
    this.#hasFailed = true;
    this.#error = error;
    this.#settle();
  }

  #settle(): void {
    this.#isSettled = true;
    const first = this.#first;
    const others = this.#others;
    this.#first = undefined;
    this.#others = undefined;
    if (first !== undefined) this.#tell(first);
    if (others !== undefined) for (const other of others) this.#tell(other);
  }

  #tell(listener: Settling<T>): void {
    if (this.#hasFailed) listener.rejected(this.#error);
    else listener.fulfilled(this.#value as T);
  }
}

/** Tells a listener how a result ended. It never throws. */
export function listenTo<T>(result: PromiseLike<T>, listener: Settling<T>): void {
  if (result instanceof Eventual) result.listen(listener);
  else
    result.then(
      (value) => listener.fulfilled(value),
      (error: unknown) => listener.rejected(error),
    );
}

/** As {@link listenTo}. @returns the result for others, who are told after the listener */
export function heardBy<T>(result: Promise<T> | Eventual<T>, listener: Settling<T>): Promise<T> | Eventual<T> {
  if (result instanceof Eventual) {
    result.listen(listener);
    return result;
  }
  return result.then(
    (value) => {
      listener.fulfilled(value);
      return value;
    },
    (error: unknown) => {
      listener.rejected(error);
      throw error;
    },
  );
}
