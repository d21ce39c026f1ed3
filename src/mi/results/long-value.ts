import { AsyncResource } from 'node:async_hooks';
import { type Cursor, releaseAll } from './cursor.js';
import type { LongPrinter } from './long-printer.js';
import { discardPart, openParts } from './open-parts.js';
import { Piecewise } from './piecewise.js';
import { workInTurns } from './turns.js';

/**
 * A long value, which is printed in slices while it is the result of a call. Nothing of it is sent before all of it is
 * printed, so that a failure is answered as that of the command.
 */
export class LongValue extends Piecewise {
  readonly #value: unknown;
  readonly #printer: LongPrinter;
  /** Of the call: a `toJSON` is asked in it. */
  readonly #context = new AsyncResource('mi-httpd long value');
  readonly #printed: Promise<void>;
  #settle: { readonly resolve: () => void; readonly reject: (error: unknown) => void } | undefined;

  /** @param printer has begun to print the value */
  constructor(value: unknown, printer: LongPrinter) {
    super();
    this.#value = value;
    this.#printer = printer;
    this.#printed = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    // Given up, nobody looks at how it ended.
    this.#printed.catch(() => {});
    workInTurns({ work: (until) => this.#print(until) });
  }

  /** Settles when all is printed, or nobody wants it any more. */
  get printed(): Promise<void> {
    return this.#printed;
  }

  /** Bytes of it, when it is printed and has no parts that are not. */
  get length(): number | undefined {
    return this.#printer.isComplete ? this.#printer.length : undefined;
  }

  open(): LongCursor {
    return new LongCursor(this);
  }

  /** What is printed, to be asked for once. */
  take(): (string | Piecewise)[] {
    return this.#printer.take();
  }

  /** It is gone through to its end all the same: there may be parts in it that have to be given back. */
  override discard(): void {
    this.#printer.forget();
    this.#settle?.resolve();
  }

  protected whole(): unknown {
    return this.#value;
  }

  /** Whether there is more to print. */
  #print(until: number): boolean {
    try {
      this.#context.runInAsyncScope(() => {
        while (!this.#printer.isComplete && performance.now() < until) this.#printer.step();
      });
    } catch (error) {
      this.#settle?.reject(error);
      return false;
    }
    if (!this.#printer.isComplete) return true;
    this.#settle?.resolve();
    return false;
  }
}

/** Prints a long value once all of it has become text. */
export class LongCursor implements Cursor {
  readonly isSlow = true;
  readonly #value: LongValue;
  #cursors: Cursor[] | undefined;
  #isReleased = false;

  constructor(value: LongValue) {
    this.#value = value;
  }

  /** Bytes of the whole text, when known: not before {@link fill} has given some of it. */
  get length(): number | undefined {
    return this.#value.length;
  }

  fill(buffer: Buffer): number | Promise<number> {
    if (this.#cursors !== undefined) return this.#fill(this.#cursors, buffer);
    return this.#value.printed.then(() => {
      if (this.#isReleased) return 0;
      this.#cursors = openParts(this.#value.take());
      return this.#fill(this.#cursors, buffer);
    });
  }

  #fill(cursors: Cursor[], buffer: Buffer): number | Promise<number> {
    for (let [cursor] = cursors; cursor !== undefined; [cursor] = cursors) {
      const written = cursor.fill(buffer);
      if (typeof written !== 'number') return written.then((later) => this.#filled(cursors, buffer, later));
      if (written > 0) return written;
      cursors.shift()?.release();
    }
    return 0;
  }

  #filled(cursors: Cursor[], buffer: Buffer, written: number): number | Promise<number> {
    if (written > 0) return written;
    cursors.shift()?.release();
    return this.#fill(cursors, buffer);
  }

  release(): void {
    if (this.#isReleased) return;
    this.#isReleased = true;
    if (this.#cursors === undefined) discardPart(this.#value);
    else releaseAll(this.#cursors);
  }
}
