import { setImmediate as nextTurn } from 'node:timers/promises';
import type { ChunkSource } from '../http/exchange.js';
import { type Cursor, TextCursor } from '../mi/results/cursor.js';
import { escapeHtmlBytes, PrettyPrinter } from '../native/native.js';

const stageSize = 16384;
const noBytes = new Uint8Array(0);

/** Prints compact JSON indented and escaped for HTML. */
export class JsonHtmlCursor implements Cursor {
  readonly #printer = new PrettyPrinter();
  readonly #indented = Buffer.alloc(stageSize);
  readonly #escaped = Buffer.alloc(stageSize);
  /** What each stage has left. */
  #json: Uint8Array;
  #toEscape: Uint8Array = noBytes;
  #toCopy: Uint8Array = noBytes;

  constructor(json: Uint8Array) {
    this.#json = json;
  }

  fill(buffer: Buffer): number {
    let at = 0;
    while (at < buffer.length && this.#refill()) {
      const piece = this.#toCopy.subarray(0, buffer.length - at);
      buffer.set(piece, at);
      this.#toCopy = this.#toCopy.subarray(piece.length);
      at += piece.length;
    }
    return at;
  }

  /** Whether there is something to copy. */
  #refill(): boolean {
    while (this.#toCopy.length === 0) {
      if (this.#toEscape.length > 0) {
        const [consumed, produced] = escapeHtmlBytes(this.#toEscape, this.#escaped);
        this.#toEscape = this.#toEscape.subarray(consumed);
        this.#toCopy = this.#escaped.subarray(0, produced);
      } else if (this.#json.length > 0) {
        this.#printer.push(this.#json, this.#indented);
        this.#json = this.#json.subarray(this.#printer.consumed);
        this.#toEscape = this.#indented.subarray(0, this.#printer.produced);
      } else {
        return false;
      }
    }
    return true;
  }

  release(): void {
    this.#json = noBytes;
    this.#toEscape = noBytes;
    this.#toCopy = noBytes;
  }
}

/** Milliseconds that counting may hold up others at once. */
const slice = 2;

/** Milliseconds after which counting is given up: a stream may have no end. */
const longestCount = 3000;

/**
 * What is said of the rest of a result.
 * @param end whether it was counted to its end, or counting took too long, or its source failed
 */
export type PrintRest = (count: number, end: 'reached' | 'far' | 'failed') => string;

/** Counts the rest of a result, which is left out of the page, and then prints what `print` makes of the count. */
export class RestCursor implements Cursor {
  readonly isSlow = true;
  readonly #source: ChunkSource;
  readonly #print: PrintRest;
  #text: TextCursor | undefined;
  #count: number;

  /** @param count bytes that were pulled before */
  constructor(source: ChunkSource, count: number, print: PrintRest) {
    this.#source = source;
    this.#count = count;
    this.#print = print;
  }

  fill(buffer: Buffer): number | Promise<number> {
    if (this.#text !== undefined) return this.#text.fill(buffer);
    const told = (end: 'reached' | 'far' | 'failed'): number => {
      this.#text = new TextCursor(this.#print(this.#count, end));
      return this.#text.fill(buffer);
    };
    // What is shown is shown: the page ends well, and says that the result does not.
    return this.#countRest().then(
      (isAtEnd) => told(isAtEnd ? 'reached' : 'far'),
      () => told('failed'),
    );
  }

  async #countRest(): Promise<boolean> {
    const giveUp = performance.now() + longestCount;
    let pause = performance.now() + slice;
    for (;;) {
      const next = this.#source.next();
      const chunk = next instanceof Promise ? await within(next, giveUp - performance.now()) : next;
      if (chunk === undefined) return false;
      if (chunk === null) return true;
      this.#count += chunk.length;
      const now = performance.now();
      if (now > giveUp) return false;
      if (now > pause || chunk.length === 0) {
        await nextTurn();
        pause = performance.now() + slice;
      }
    }
  }

  release(): void {
    this.#source.release();
  }
}

/** What a promise gives, or undefined when that takes longer. */
async function within<T>(promise: Promise<T>, milliseconds: number): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), Math.max(0, milliseconds));
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
