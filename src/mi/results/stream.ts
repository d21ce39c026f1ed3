import { AsyncResource } from 'node:async_hooks';
import { coded } from '../../base/codes.js';
import { checkGiven, type Wanted } from '../../base/given.js';
import { stringify } from '../../base/json.js';
import { Slice } from '../../base/slice.js';
import { type Cursor, collecting, Piecewise, TextCursor } from './cursor.js';
import { printAtOnce } from './long-printer.js';
import type { Printable } from './result.js';

const anIterable: Wanted = {
  text: 'an array, a generator or something else that can be iterated',
  is: (value) => {
    if (value === undefined || value === null) return false;
    const { [Symbol.iterator]: now, [Symbol.asyncIterator]: later } = value as Partial<
      Iterable<unknown> & AsyncIterable<unknown>
    >;
    return typeof now === 'function' || typeof later === 'function';
  },
};

/** An array or object of which the items are produced one by one while the reply is sent. */
export class Stream extends Piecewise {
  readonly #items: Iterable<unknown> | AsyncIterable<unknown>;
  readonly #shape: Shape;
  /** Of the call: items are made in it, whoever asks for them. */
  readonly #context = new AsyncResource('mi-httpd stream');
  #wasOpened = false;

  /** For {@link stream} and {@link streamObject}. */
  constructor(items: Iterable<unknown> | AsyncIterable<unknown>, shape: Shape) {
    super();
    checkGiven(`what ${shape.open === '[' ? 'stream' : 'streamObject'} is given`, items, anIterable);
    this.#items = items;
    this.#shape = shape;
  }

  /** @throws TypeError when its items were read already and cannot be iterated again */
  open(): Cursor {
    return this.#open(this.#shape);
  }

  /** Each item as a line; of an object, each member as an object of its own. */
  openLines(): Cursor {
    return this.#open(linesOf(this.#shape));
  }

  #open(shape: Shape): Cursor {
    const cursor = this.#context.runInAsyncScope(() => new StreamCursor(this.#items, shape, this.#context));
    if (this.#wasOpened && cursor.isReadOnce) {
      throw coded(
        'ERR_RESULT',
        new TypeError('stream was sent already and its items can be read once; make a stream for each result'),
      );
    }
    this.#wasOpened = true;
    return cursor;
  }

  override discard(): void {
    try {
      this.open().release();
    } catch {
      // It did not begin, so there is nothing to close.
    }
  }

  protected whole(): unknown {
    throw coded(
      'ERR_RESULT',
      new TypeError(
        'a stream was printed into a text before the reply was: return it as it is, and not as an item of a stream',
      ),
    );
  }
}

/** The type of an item: a value, and no stream. */
type Item<T> = T extends Stream ? never : Printable<T>;

/**
 * An array for the result of a command whose items are produced while the reply is sent: pulled at the pace of the
 * client, in slices of half a millisecond, so that a million items neither take memory nor keep others waiting.
 * When the client leaves, the iterator is closed (its `finally` runs). An error cuts the connection, so that nobody
 * takes a part for the whole.
 *
 * ```ts
 * async function* readCalls() {
 *   yield { caller: 'alice' };
 * }
 * const calls = command({ name: 'calls', help: 'Lists calls.', run: () => ({ calls: stream(readCalls()) }) });
 * ```
 *
 * Items are values: one that is itself a stream or a dump is printed whole, which a stream refuses. To have one within
 * another, give the outer as an array or object, `{ calls: stream(…) }`.
 *
 * It can be sent once, as an iterator can be read once, unless `items` can be iterated again.
 */
export function stream<T>(items: Iterable<T & Item<T>> | AsyncIterable<T & Item<T>>): Stream {
  return new Stream(items, arrayShape);
}

/**
 * As {@link stream}, for an object: `members` gives names and values. A name that repeats is printed each time.
 *
 * ```ts
 * const trunks = new Map([['north', { calls: 12 }]]);
 * const list = command({ name: 'trunks', help: 'Lists trunks.', run: () => streamObject(trunks) });
 * ```
 */
export function streamObject<M extends readonly [name: string, value: unknown]>(
  members:
    | Iterable<M & readonly [name: string, value: Item<M[1]>]>
    | AsyncIterable<M & readonly [name: string, value: Item<M[1]>]>,
): Stream {
  return new Stream(members, objectShape);
}

interface Shape {
  readonly open: string;
  readonly between: string;
  readonly close: string;
  /** Text of one item; undefined leaves it out. */
  print(item: unknown): string | undefined;
}

const arrayShape: Shape = {
  open: '[',
  between: ',',
  close: ']',
  print: (item) => printAtOnce(item) ?? 'null',
};

const objectShape: Shape = {
  open: '{',
  between: ',',
  close: '}',
  print: (member) => {
    if (!Array.isArray(member) || typeof member[0] !== 'string') {
      throw coded('ERR_RESULT', new TypeError('streamObject got an item that is not a pair of a name and a value'));
    }
    const text = printAtOnce(member[1]);
    return text === undefined ? undefined : `${stringify(member[0])}:${text}`;
  },
};

/** The same items, each with the end of its line, so that none waits for the next one. */
function linesOf({ open, close, print }: Shape): Shape {
  const [before, behind] = open === '[' ? ['', '\n'] : [open, `${close}\n`];
  return {
    open: '',
    between: '',
    close: '',
    print: (item) => {
      const text = print(item);
      return text === undefined ? undefined : before + text + behind;
    },
  };
}

/** One {@link Cursor.fill} under way. */
interface Pull {
  written: number;
  /** The item that is waited for. */
  awaited: IteratorResult<unknown> | Promise<IteratorResult<unknown>> | undefined;
  isTurnOver: boolean;
  /** True if the fill ended before the awaited item came. */
  isAnswered: boolean;
}

/** Prints a stream. Asynchronous from the first call, since any item may let others wait. */
class StreamCursor implements Cursor {
  readonly isSlow = true;
  /** True if the items are an iterator themselves, as those of a generator are: another cursor would share it. */
  readonly isReadOnce: boolean;
  readonly #iterator: Iterator<unknown> | AsyncIterator<unknown>;
  readonly #isAsync: boolean;
  readonly #shape: Shape;
  #context: AsyncResource;
  #text: TextCursor | undefined;
  #separator: string;
  #hasBegun = false;
  /** An item that has been asked for, while what was there before it is sent. */
  #asked: Pull['awaited'];
  #isOver = false;
  #isReleased = false;

  constructor(items: Iterable<unknown> | AsyncIterable<unknown>, shape: Shape, context: AsyncResource) {
    // Not by `in`, which a string does not allow.
    const { [Symbol.asyncIterator]: later } = items as Partial<AsyncIterable<unknown>>;
    this.#isAsync = later !== undefined;
    this.#iterator = later?.call(items) ?? (items as Iterable<unknown>)[Symbol.iterator]();
    this.#shape = shape;
    this.#context = context;
    this.#separator = shape.open;
    this.isReadOnce = (this.#iterator as unknown) === items;
  }

  fill(buffer: Buffer): Promise<number> {
    return this.#context.runInAsyncScope(() => this.#pull(buffer));
  }

  #pull(buffer: Buffer): Promise<number> {
    const pull: Pull = { written: 0, awaited: undefined, isTurnOver: false, isAnswered: false };
    const filled = this.#fill(buffer, pull);
    return this.#isAsync ? this.#withinTurn(pull, filled) : filled;
  }

  /** Printed items are not held back while the next one takes longer than a turn of the event loop. */
  #withinTurn(pull: Pull, filled: Promise<number>): Promise<number> {
    return new Promise((resolve, reject) => {
      const turn = setImmediate(() => {
        pull.isTurnOver = true;
        if (pull.written === 0 || pull.awaited === undefined) return;
        pull.isAnswered = true;
        this.#asked = pull.awaited;
        resolve(pull.written);
      });
      // Without effect when it has been answered: then the next pull waits for the same item, or the same failure.
      filled.then(resolve, reject).finally(() => clearImmediate(turn));
    });
  }

  async #fill(buffer: Buffer, pull: Pull): Promise<number> {
    const slice = new Slice();
    try {
      for (;;) {
        pull.written += this.#drain(buffer.subarray(pull.written));
        // Less room than four bytes may not take the next character.
        if (this.#text !== undefined || buffer.length - pull.written < 4) return pull.written;
        if (this.#isOver || this.#isReleased) return pull.written;
        const isSliceOver = slice.isOver;
        if (pull.written > 0 && (pull.isTurnOver || isSliceOver)) return pull.written;
        if (isSliceOver) await slice.rest();
        const next = this.#asked ?? this.#iterator.next();
        this.#asked = undefined;
        // Waiting for what is there already would cost a turn for each item.
        if (!this.#isAsync) {
          this.#take(next as IteratorResult<unknown>);
          continue;
        }
        pull.awaited = next;
        const item = await next;
        pull.awaited = undefined;
        if (pull.isAnswered) return 0;
        this.#take(item);
      }
    } finally {
      // An item may have entered another context, which those behind it see. A resource of Node.js 24 does not keep it.
      this.#context = new AsyncResource('mi-httpd stream');
    }
  }

  #take({ done, value }: IteratorResult<unknown>): void {
    if (done === true) {
      this.#isOver = true;
      this.#text = new TextCursor(`${this.#hasBegun ? '' : this.#shape.open}${this.#shape.close}`);
      return;
    }
    const text = collecting(undefined, this.#shape.print, value);
    if (text === undefined) return;
    this.#text = new TextCursor(this.#separator + text);
    this.#separator = this.#shape.between;
    this.#hasBegun = true;
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
    try {
      Promise.resolve(this.#context.runInAsyncScope(() => this.#iterator.return?.())).catch(() => {});
    } catch {
      // An iterator may fail to close, at once or later, and nobody is left to tell.
    }
  }
}
