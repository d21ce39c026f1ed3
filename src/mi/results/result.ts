import { currentSecond } from '../../base/clock.js';
import { type JsonValue, printJson } from '../../base/json.js';
import { OwnContext } from '../../base/own-context.js';
import { type Slice, workInTurns } from '../../base/slice.js';
import type { ConstantReply } from '../../native/reply-window.js';
import { NothingError, serverError } from '../errors.js';
import type { StatisticsSelection } from '../statistics.js';
import { type Cursor, collecting, Parts, Piecewise, partsOf, releaseAll, TextCursor } from './cursor.js';
import { LongPrinter, shortNodes, weightOfItem } from './long-printer.js';
import type { RecordTable } from './record-table.js';

/**
 * The values that a handler may return: any JSON value (`null` included), with dumps of record tables and streams anywhere in it,
 * or a selection of statistics. Returning nothing is an error, -32000, as it is in OpenSIPS; a plain success is the text `OK`.
 */
export type Result =
  | JsonValue
  | StatisticsSelection
  | ConstantResult
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

/** Steps that are printed at once of what may be longer: about as much again, three times. */
const firstSteps = 6;

/** A result as compact JSON: a text, or texts and parts by turns that are printed while it is sent, in their order. */
export type PrintedResult = string | readonly (string | Piecewise)[];

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
 * @throws what {@link printResult} and {@link openParts} throw; whatever the result holds has been given back then
 */
export function openResult(result: Result): Parts {
  return new Parts(openParts(printResult(result)));
}

/**
 * As {@link printResult}, for any value. A long value becomes a part as well, see {@link LongValue}.
 *
 * @returns undefined when there is nothing to print
 * @throws RangeError when the value contains itself or is nested too deep, TypeError when a part was printed into a
 *   text by the value's own `toJSON`; the parts in it have been given back then
 */
export function printParts(value: unknown): PrintedResult | undefined {
  if (value instanceof ConstantResult) return value.text;
  if (weightOfItem(value, shortNodes) > shortNodes) return printLong(value);
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

/** Values are printed in it: a store that a `toJSON` enters is not seen by other calls. */
const context = new OwnContext();

function beginLong(value: unknown): LongPrinter {
  const printer = new LongPrinter(value);
  // By their number, not by the clock: a value is printed in the same way each time.
  for (let steps = 0; steps < firstSteps && !printer.isComplete; steps += 1) printer.step();
  return printer;
}

function printSlice(printer: LongPrinter, slice: Slice): void {
  while (!printer.isComplete && !slice.isOver) printer.step();
}

/** Begins to print a value that may be long. */
function printLong(value: unknown): PrintedResult | undefined {
  const printer = context.run(beginLong, value, undefined);
  if (!printer.isComplete) return [new LongValue(value, printer)];
  const parts = printer.take();
  if (parts.length === 0) return undefined;
  return parts.some((part) => typeof part !== 'string') ? parts : parts.join('');
}

/**
 * Begins to print the parts of a result, all by the same clock.
 *
 * @throws whatever a part throws; what the others hold has been given back then
 */
export function openParts(printed: PrintedResult): Cursor[] {
  const parts = typeof printed === 'string' ? [printed] : printed;
  const now = currentSecond();
  const cursors: Cursor[] = [];
  try {
    for (const part of parts) cursors.push(typeof part === 'string' ? new TextCursor(part) : part.open(now));
    return cursors;
  } catch (error) {
    for (const part of parts.slice(cursors.length + 1)) if (part instanceof Piecewise) part.discard();
    try {
      releaseAll(cursors);
    } catch {
      // The failure to open is the one that is thrown.
    }
    throw error;
  }
}

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

/**
 * A long value, which is printed in slices while it is the result of a call. Nothing of it is sent before all of it is
 * printed, so that a failure is answered as that of the command.
 */
class LongValue extends Piecewise {
  readonly #value: unknown;
  readonly #printer: LongPrinter;
  /** Settles when all is printed, or nobody wants it any more. */
  readonly printed: Promise<void>;
  #settle: { readonly resolve: () => void; readonly reject: (error: unknown) => void } | undefined;

  /** @param printer has begun to print the value */
  constructor(value: unknown, printer: LongPrinter) {
    super();
    this.#value = value;
    this.#printer = printer;
    this.printed = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    // A value that is given up has no reader, and its failure none either.
    this.printed.catch(() => {});
    workInTurns({ work: (slice) => this.#print(slice) });
  }

  open(): LongCursor {
    return new LongCursor(this, this.#printer);
  }

  /** It is gone through to its end all the same: there may be parts in it that have to be given back. */
  override discard(): void {
    this.#printer.forget();
    this.#settle?.resolve();
  }

  protected whole(): unknown {
    return this.#value;
  }

  /** Prints a slice; true if there is more to print. */
  #print(slice: Slice): boolean {
    try {
      context.run(printSlice, this.#printer, slice);
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
  readonly #printer: LongPrinter;
  #parts: Parts | undefined;
  #isReleased = false;

  constructor(value: LongValue, printer: LongPrinter) {
    this.#value = value;
    this.#printer = printer;
  }

  /** Bytes of the whole text, when it is printed and has no parts that are not: not before {@link fill} has given some of it. */
  get length(): number | undefined {
    return this.#printer.isComplete ? this.#printer.length : undefined;
  }

  fill(buffer: Buffer): number | Promise<number> {
    if (this.#parts !== undefined) return this.#parts.fill(buffer);
    return this.#value.printed.then(() => {
      if (this.#isReleased) return 0;
      this.#parts = new Parts(openParts(this.#printer.take()));
      return this.#parts.fill(buffer);
    });
  }

  release(): void {
    if (this.#isReleased) return;
    this.#isReleased = true;
    if (this.#parts === undefined) this.#value.discard();
    else this.#parts.release();
  }
}
