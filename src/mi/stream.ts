import { type Cursor, TextCursor } from './cursor.js';
import { type JsonValue, printJson } from './json.js';
import { Piecewise, printWhole } from './piecewise.js';

/** Milliseconds that one slice may take before others get their turn. */
const slice = 0.5;

/** An array or object of which the items are produced one by one while the reply is sent. */
export class Stream extends Piecewise {
  readonly #items: Iterable<unknown> | AsyncIterable<unknown>;
  readonly #shape: Shape;

  /** For {@link stream} and {@link streamObject}. */
  constructor(items: Iterable<unknown> | AsyncIterable<unknown>, shape: Shape) {
    super();
    this.#items = items;
    this.#shape = shape;
  }

  open(): Cursor {
    return new StreamCursor(this.#items, this.#shape);
  }

  protected whole(): unknown {
    throw new TypeError('a stream was printed into a text before the reply was; return it as it is');
  }
}

/**
 * An array for the result of a command whose items are produced while the reply is sent: pulled at the pace of the
 * client, in slices of half a millisecond, so that a million items neither take memory nor keep others waiting.
 * When the client leaves, the iterator is closed (its `finally` runs). An error cuts the connection, so that nobody
 * takes a part for the whole.
 *
 * ```ts
 * run: () => ({ calls: stream(readCalls()) })
 * ```
 *
 * It can be sent once, as an iterator can be read once, unless `items` can be iterated again.
 */
export function stream(items: Iterable<JsonValue> | AsyncIterable<JsonValue>): Stream {
  return new Stream(items, arrayShape);
}

/** As {@link stream}, for an object: `members` gives names and values. A name that repeats is printed each time. */
export function streamObject(
  members:
    | Iterable<readonly [name: string, value: JsonValue]>
    | AsyncIterable<readonly [name: string, value: JsonValue]>,
): Stream {
  return new Stream(members, objectShape);
}

interface Shape {
  readonly open: string;
  readonly close: string;
  /** Text of one item; undefined leaves it out. */
  print(item: unknown): string | undefined;
}

const arrayShape: Shape = {
  open: '[',
  close: ']',
  print: (item) => printJson(item) ?? 'null',
};

const objectShape: Shape = {
  open: '{',
  close: '}',
  print: (member) => {
    if (!Array.isArray(member) || typeof member[0] !== 'string') {
      throw new TypeError('streamObject got an item that is not a pair of a name and a value');
    }
    const text = printJson(member[1]);
    return text === undefined ? undefined : `${JSON.stringify(member[0])}:${text}`;
  },
};

/** Prints a stream. Asynchronous from the first call, since any item may let others wait. */
class StreamCursor implements Cursor {
  readonly isSlow = true;
  readonly #iterator: Iterator<unknown> | AsyncIterator<unknown>;
  readonly #isAsync: boolean;
  readonly #shape: Shape;
  #text: TextCursor | undefined;
  #separator: string;
  #isOver = false;
  #isReleased = false;

  constructor(items: Iterable<unknown> | AsyncIterable<unknown>, shape: Shape) {
    this.#isAsync = Symbol.asyncIterator in items;
    this.#iterator = Symbol.asyncIterator in items ? items[Symbol.asyncIterator]() : items[Symbol.iterator]();
    this.#shape = shape;
    this.#separator = shape.open;
  }

  async fill(buffer: Buffer): Promise<number> {
    const until = performance.now() + slice;
    let at = 0;
    for (;;) {
      at += this.#drain(buffer.subarray(at));
      // Less room than four bytes may not take the next character.
      if (this.#text !== undefined || buffer.length - at < 4) return at;
      if (this.#isOver || this.#isReleased) return at;
      if (performance.now() >= until) {
        if (at > 0) return at;
        await new Promise(setImmediate);
        return this.fill(buffer);
      }
      const next = this.#iterator.next();
      // Waiting for what is there already would cost a turn for each item.
      this.#take(this.#isAsync ? await next : (next as IteratorResult<unknown>));
    }
  }

  #take({ done, value }: IteratorResult<unknown>): void {
    if (done === true) {
      this.#isOver = true;
      this.#text = new TextCursor(
        `${this.#separator === this.#shape.open ? this.#shape.open : ''}${this.#shape.close}`,
      );
      return;
    }
    const text = printWhole(() => this.#shape.print(value));
    if (text === undefined) return;
    this.#text = new TextCursor(this.#separator + text);
    this.#separator = ',';
  }

  /** Writes what is left of the last item; forgets it when it is complete. */
  #drain(buffer: Buffer): number {
    let at = 0;
    while (this.#text !== undefined && buffer.length - at >= 4) {
      const written = this.#text.fill(buffer.subarray(at));
      if (written === 0) this.#text = undefined;
      at += written;
    }
    return at;
  }

  release(): void {
    if (this.#isReleased) return;
    this.#isReleased = true;
    if (this.#isOver) return;
    // An asynchronous iterator may fail to close, and nobody is left to tell.
    Promise.resolve(this.#iterator.return?.()).catch(() => {});
  }
}
