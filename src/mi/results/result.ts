import { coded } from '../../base/codes.js';
import type { JsonValue } from '../../base/json.js';
import type { ConstantReply } from '../../native/reply-window.js';
import { NothingError, serverError } from '../errors.js';
import type { StatisticsSelection } from '../statistics.js';
import {
  type Cursor,
  collecting,
  openLines,
  openParts,
  Parts,
  Piecewise,
  type PrintedResult,
  partsOf,
  TextCursor,
} from './cursor.js';
import { printJson } from './json.js';
import { isLong, printLong } from './long-printer.js';
import type { RecordTable } from './record-table.js';

/**
 * The values that a handler may return: any JSON value (`null` included), with dumps of record tables and streams anywhere in it,
 * or a selection of statistics. Returning nothing is an error, -32000, as it is in OpenSIPS; a plain success is the text `OK`.
 */
export type Result =
  | JsonValue
  | StatisticsSelection
  | ConstantResult
  | JsonText
  | Piecewise
  | readonly Result[]
  | { readonly [member: string]: Result | undefined };

/**
 * `T` where it can be printed as JSON, else `never` in place of what cannot: functions, `Map`, `Set`, errors, generators, tables
 * without `dump()`. So that objects may be of types declared by `interface`, each member is looked at by itself.
 */
export type Printable<T> = T extends Result | undefined
  ? T
  : T extends { toJSON(): infer Text }
    ? // Within brackets: several texts are looked at together, and none is that of a table, whose `toJSON` throws.
      [Text] extends [never]
      ? never
      : [Text] extends [Printable<Text>]
        ? T
        : never
    : T extends Unprintable
      ? never
      : T extends object
        ? { readonly [Member in keyof T]: Printable<T[Member]> }
        : never;

/** Objects that print as `{}`, or not at all. */
type Unprintable =
  | ((...given: never) => unknown)
  | (new (
      ...given: never
    ) => unknown)
  | ReadonlyMap<unknown, unknown>
  | ReadonlySet<unknown>
  | Iterator<unknown>
  | AsyncIterator<unknown>
  | PromiseLike<unknown>
  | Error
  | RecordTable<never>;

/**
 * A result that is the same at every call, printed once: printing even a short one costs V8 more than the rest of a
 * call costs this process (docs/performance.md).
 */
export class ConstantResult {
  /** The value as compact JSON. */
  readonly text: string;
  /** The reply that it was encoded to, kept here by the face that sends it. */
  reply: ConstantReply | undefined = undefined;

  constructor(readonly value: JsonValue) {
    this.text = printJson(value) ?? 'null';
  }

  /** Within another value it is printed with it. */
  toJSON(): JsonValue {
    return this.value;
  }
}

/** Compact JSON that another server has printed: it is sent as it is, and never parsed. */
export class JsonText {
  constructor(readonly text: string) {}

  /** Within another value it is printed with it. */
  toJSON(): JsonValue {
    return JSON.parse(this.text);
  }
}

/** As {@link JsonText}, for a text that comes while it is sent. It can be sent once. */
export class JsonStream extends Piecewise {
  readonly #cursor: Cursor;
  #wasOpened = false;

  constructor(cursor: Cursor) {
    super();
    this.#cursor = cursor;
  }

  open(): Cursor {
    if (this.#wasOpened)
      throw coded(
        'ERR_RESULT',
        new TypeError('what another server sends was sent already; ask it anew for each result'),
      );
    this.#wasOpened = true;
    return this.#cursor;
  }

  /** It is not parsed, so that all of it is one line. */
  openLines(): Cursor {
    return new Parts([this.open(), new TextCursor('\n')]);
  }

  override discard(): void {
    if (!this.#wasOpened) this.open().release();
  }

  protected whole(): never {
    throw coded(
      'ERR_RESULT',
      new TypeError('what another server sends was printed into a text before the reply was: return it as it is'),
    );
  }
}

/**
 * Prints the result of a command, as `printJson` does, but leaves the parts in it to be printed piece by piece; see
 * {@link openParts}.
 *
 * @throws MiError -32000 when there is nothing to print; what {@link printParts} throws
 */
export function printResult(result: Result): PrintedResult {
  const printed = printParts(result);
  if (printed === undefined) {
    if (result === undefined) throw serverError('Command handler returned null');
    throw new NothingError(typeof result === 'object' ? 'an object whose toJSON gives nothing' : `a ${typeof result}`);
  }
  return printed;
}

/**
 * Begins to print a result.
 *
 * @param ended see {@link openParts}
 * @throws what {@link printResult} and {@link openParts} throw; whatever the result holds has been given back then
 */
export function openResult(result: Result, ended?: () => void): Parts {
  return new Parts(openParts(printResult(result), ended));
}

/** As {@link openResult}, as lines; see {@link openLines}. */
export function openResultLines(result: Result, ended?: () => void): Parts {
  return new Parts(openLines(printResult(result), ended));
}

/**
 * As {@link printResult}, for any value. A long value becomes a part as well, see {@link LongValue}.
 *
 * @returns undefined when there is nothing to print
 * @throws RangeError when the value contains itself or is nested too deep, TypeError when a part was printed into a
 *   text by the value's own `toJSON`; the parts in it have been given back then
 */
export function printParts(value: unknown): PrintedResult | undefined {
  if (value instanceof ConstantResult || value instanceof JsonText) return value.text;
  if (isLong(value)) return printLong(value);
  const met = spare ?? [];
  spare = undefined;
  try {
    const text = collecting(met, printJson, value);
    if (text === undefined || met.length === 0) return text;
    return partsOf(text, met);
  } catch (error) {
    for (const part of met) part.discard();
    throw error;
  } finally {
    if (met.length === 0) spare = met;
  }
}

/** An empty array for the parts of the next value, which most often has none; undefined while a value is printed. */
let spare: Piecewise[] | undefined;

/** Gives back what the parts of a value hold that nobody will print. Never fails. */
export function discardResult(value: unknown): void {
  if (typeof value !== 'object' || value === null) return;
  try {
    const parts = printParts(value);
    if (Array.isArray(parts)) for (const part of parts) if (part instanceof Piecewise) part.discard();
  } catch {
    // A value that cannot be printed holds nothing more.
  }
}
