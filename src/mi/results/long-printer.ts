import { types } from 'node:util';
import { finishedJson, stringify } from '../../base/json.js';
import { OwnContext } from '../../base/own-context.js';
import { type Slice, workInTurns } from '../../base/slice.js';
import {
  type Cursor,
  collecting,
  marker,
  misplaced,
  openLines,
  openParts,
  Parts,
  Piecewise,
  type PrintedResult,
  partsOf,
  pieceEnd,
} from './cursor.js';
import { asResult, endless, mostUnits, printJson, printUnchecked, refuseOpaque, tooLong } from './json.js';
import { SecondsLeft } from './seconds-left.js';

/** Binary logarithm of the characters of a text that take as long to print as a number does. */
const stepShift = 5;

/**
 * As {@link stepShift}, where a value is printed at once or not at all: a client that pipelines calls gets no reply behind one in
 * slices, so that texts may take longer there, about 1 ms.
 */
const shortShift = 8;

/** Deepest nesting that is looked into by recursion. */
const deepestRecursion = 100;

/** These give something short, whatever they belong to. */
const shortTexts: ReadonlySet<unknown> = new Set([
  Piecewise.prototype.toJSON,
  SecondsLeft.prototype.toJSON,
  Date.prototype.toJSON,
]);

/** Names that are kept, so that the next value finds room for its own. */
const mostKept = 4096;

/** Values that may still be counted. */
let left = 0;

/** By how much the length of a text is shifted to be its weight. */
let shift = stepShift;

/** The members of the objects that are being counted, and where those of the next one begin. */
const members: string[] = [];
let top = 0;

/**
 * The members of objects that turned out to be long: an object gives them all at once, which takes it long. Kept here and not
 * by a printer, since a value is counted before it has one, and a printer for every short value would cost more than it.
 */
let counted: Map<object, readonly string[]> | undefined;

/**
 * How many values an object or array has in it, the characters of texts counted in; `Infinity` when these are more than `limit`.
 * The result of a `toJSON` of others is not known before it is called, and counts as infinite.
 */
function weightOf(value: object, limit: number, unitsShift: number): number {
  if (counted !== undefined) {
    if (counted.has(value)) return Number.POSITIVE_INFINITY;
    counted = undefined;
  }
  const outerLeft = left;
  const outerTop = top;
  const outerShift = shift;
  left = limit;
  shift = unitsShift;
  try {
    return fits(value, 0) ? limit - left : Number.POSITIVE_INFINITY;
  } finally {
    // A getter may have a value printed while another one is counted.
    left = outerLeft;
    top = outerTop;
    shift = outerShift;
    if (members.length > mostKept) members.length = mostKept;
  }
}

/** As {@link weightOf}, for an item or member that a step may print with others. */
function weightOfItem(item: unknown, limit: number): number {
  if (typeof item === 'string') return 1 + (item.length >> stepShift);
  return typeof item === 'object' && item !== null ? 1 + weightOf(item, limit, stepShift) : 1;
}

/** True for a value that is printed step by step. */
export function isLong(value: unknown): boolean {
  if (typeof value === 'string') return value.length > shortNodes << shortShift;
  return typeof value === 'object' && value !== null && weightOf(value, shortNodes, shortShift) >= shortNodes;
}

/** The names of the members of an object, with less ado when it was counted last; some may be inherited. */
function memberNames(value: object): readonly string[] {
  const names = counted?.get(value) ?? Object.keys(value);
  counted = undefined;
  return names;
}

function fits(value: object, depth: number): boolean {
  if (depth > deepestRecursion) return false;
  const { toJSON } = value as { readonly toJSON?: unknown };
  if (toJSON !== undefined && typeof toJSON === 'function') return shortTexts.has(toJSON);
  return Array.isArray(value) ? fitsItems(value, depth) : fitsMembers(value as Record<string, unknown>, depth);
}

function fitsItems(items: readonly unknown[], depth: number): boolean {
  const { length } = items;
  left -= length;
  if (left < 0) return false;
  for (let index = 0; index < length; index += 1) {
    const item = items[index];
    if (typeof item === 'string') left -= item.length >> shift;
    else if (typeof item === 'object' && item !== null && !fits(item, depth + 1)) return false;
  }
  return left >= 0;
}

/** Not by `Object.keys`, which makes an array for each object. */
function fitsMembers(value: Record<string, unknown>, depth: number): boolean {
  const start = top;
  let isWithin = true;
  for (const name in value) {
    members[top] = name;
    top += 1;
    // Once it is too long, its names alone are gathered: to begin anew would take as long as this did.
    if (!isWithin) continue;
    const item = value[name];
    if (typeof item === 'string') left -= item.length >> shift;
    else if (typeof item === 'object' && item !== null) isWithin = fits(item, depth + 1);
    left -= 1 + (name.length >> shift);
    if (left < 0) isWithin = false;
  }
  if (!isWithin) note(value, members.slice(start, top));
  top = start;
  return isWithin;
}

function note(value: object, names: readonly string[]): void {
  counted ??= new Map();
  counted.set(value, names);
}

/** Values in a result that is printed at once, which takes about a tenth of a millisecond without long texts. */
const shortNodes = 1024;

/** Values that are printed in one step, which takes about 50 microseconds. */
const stepNodes = 500;

/** Units of a text that are printed in one step. */
const stepUnits = 16384;

/** Units of the texts that the whole consists of: in one it would have to be copied before it is sent. */
const pieceUnits = 32768;

/** Deepest nesting of a value that is printed in steps: about as deep as V8 gets. */
const deepest = 4096;

/** An array or object that is being printed. */
interface Level {
  readonly value: object;
  /** Of its members; undefined for an array. */
  readonly names: readonly string[] | undefined;
  /** Items or members. */
  readonly length: number;
  /** Where it stands in the result: `.calls[3]`. */
  readonly place: string;
  next: number;
  isEmpty: boolean;
}

/**
 * Prints a value as `JSON.stringify` and `printJson` do, step by step, so that others get their turn in between. The parts
 * in it are left to be printed later.
 */
export class LongPrinter {
  readonly #levels: Level[] = [];
  readonly #ancestors = new Set<object>();
  readonly #met: Piecewise[] = [];
  #printed: (string | Piecewise)[] = [];
  /** The end of what is printed. */
  #text = '';
  #units = 0;
  /** Bytes of what is printed; undefined when parts are to be printed later. */
  #bytes: number | undefined = 0;
  /** A long text that is being printed, and how much of it is. */
  #string: { readonly text: string; at: number } | undefined;
  #isWanted = true;
  readonly #isWhole: boolean;

  /**
   * @param isWhole true if the parts in it are printed with the rest
   * @throws what printing the beginning of the value does
   */
  constructor(value: unknown, isWhole = false) {
    this.#isWhole = isWhole;
    this.#guarded(() => this.#descend(undefined, '', value));
  }

  /** True once all is printed. */
  get isComplete(): boolean {
    return this.#levels.length === 0 && this.#string === undefined;
  }

  /** Bytes of the whole text; undefined when parts of it are printed later. */
  get length(): number | undefined {
    return this.#bytes;
  }

  /**
   * Prints a little more.
   *
   * @throws what `printJson` and `partsOf` do; all parts that were met have been given back then
   */
  step(): void {
    this.#guarded(() => {
      if (this.#string === undefined) this.#group();
      else this.#continueString(this.#string);
    });
  }

  /** The printed texts and parts, to be taken once. */
  take(): (string | Piecewise)[] {
    this.#flush();
    const printed = this.#printed;
    this.#printed = [];
    return printed;
  }

  /** From now on nothing is kept, and the parts that are met are given back. */
  forget(): void {
    this.#isWanted = false;
    this.#printed = [];
    this.#text = '';
    this.#discard();
  }

  #discard(): void {
    for (const part of this.#met.splice(0)) part.discard();
  }

  #guarded(print: () => void): void {
    try {
      print();
      // `#discard` empties `#met`, so marker numbers repeat; that is safe only for output that is not sent.
      if (!this.#isWanted) this.#discard();
    } catch (error) {
      this.#levels.length = 0;
      this.#ancestors.clear();
      this.#string = undefined;
      this.forget();
      throw error;
    }
  }

  /** Prints as much of the innermost array or object as one step may. */
  #group(): void {
    const level = this.#levels.at(-1);
    if (level === undefined) return;
    const { value, names, next, length } = level;
    if (next >= length) {
      this.#close(level);
      return;
    }
    // Read once: a getter may give something else the next time.
    const items: unknown[] = [];
    let item: unknown;
    for (let left = stepNodes; next + items.length < length; ) {
      item = itemOf(value, names, next + items.length);
      left -= weightOfItem(item, left);
      if (names !== undefined) left -= (names[next + items.length] ?? '').length >> stepShift;
      if (left < 0) break;
      items.push(item);
    }
    if (items.length === 0) {
      level.next += 1;
      this.#descend(level, names === undefined ? String(next) : (names[next] ?? ''), item);
      return;
    }
    level.next += items.length;
    const text = this.#print(names === undefined ? items : withNames(items, names.slice(next, next + items.length)));
    if (text?.includes('{}') === true) {
      for (const [index, item] of items.entries()) refuseOpaque(item, placeIn(level, next + index));
    }
    // Without its brackets; nothing is left of an object all of whose members are undefined.
    if (text === undefined || text.length <= 2) return;
    this.#separate(level);
    this.#emit(text.slice(1, -1));
  }

  #close(level: Level): void {
    this.#levels.pop();
    this.#ancestors.delete(level.value);
    this.#emit(level.names === undefined ? ']' : '}');
  }

  /** Begins to print an item that may be long, or whose `toJSON` has to be asked. */
  #descend(level: Level | undefined, name: string, item: unknown): void {
    const { toJSON } = (item ?? {}) as { readonly toJSON?: (name: string) => unknown };
    const isOwnText = typeof item === 'object' && item !== null && typeof toJSON === 'function';
    const value = isOwnText ? this.#collect(() => ownText(toJSON, item, name)) : item;
    const place = level === undefined ? '' : placeIn(level, level.next - 1);
    if (typeof value === 'string' && value.length > stepUnits) {
      if (value.includes(marker)) throw misplaced();
      this.#begin(level, name);
      this.#emit('"');
      this.#string = { text: value, at: 0 };
    } else if (typeof value === 'object' && value !== null && this.#isLong(value)) {
      if (this.#ancestors.has(value) || this.#levels.length >= deepest) throw endless();
      this.#begin(level, name);
      this.#open(value, place);
    } else {
      const text = this.#print(isOwnText && hasOwnText(value) ? { toJSON: () => value } : value);
      if (text?.includes('{}') === true) refuseOpaque(value, place);
      const isLeftOut = text === undefined && (level === undefined || level.names !== undefined);
      if (isLeftOut) return;
      this.#begin(level, name);
      this.#emit(text ?? 'null');
    }
  }

  /**
   * V8 is never given what may become longer than its longest text: beyond that, a hole in an array ends the process
   * (`Check failed: isolate_->has_pending_exception()`).
   */
  #isLong(value: object): boolean {
    return !types.isBoxedPrimitive(value) && weightOf(value, stepNodes, stepShift) > stepNodes;
  }

  #open(value: object, place: string): void {
    const names = Array.isArray(value) ? undefined : memberNames(value);
    const length = Array.isArray(value) ? value.length : (names?.length ?? 0);
    this.#ancestors.add(value);
    this.#levels.push({ value, names, length, place, next: 0, isEmpty: true });
    this.#emit(names === undefined ? '[' : '{');
  }

  #continueString(string: { readonly text: string; at: number }): void {
    const end = pieceEnd(string.text, string.at, stepUnits);
    this.#emit(finishedJson(JSON.stringify(string.text.slice(string.at, end))).slice(1, -1));
    string.at = end;
    if (end < string.text.length) return;
    this.#string = undefined;
    this.#emit('"');
  }

  #begin(level: Level | undefined, name: string): void {
    if (level === undefined) return;
    this.#separate(level);
    if (level.names !== undefined) this.#emit(`${stringify(name)}:`);
  }

  #separate(level: Level): void {
    if (!level.isEmpty) this.#emit(',');
    level.isEmpty = false;
  }

  #print(value: unknown): string | undefined {
    return this.#collect(() => printUnchecked(value));
  }

  #collect<R>(print: () => R): R {
    return collecting(this.#isWhole ? undefined : this.#met, print, undefined);
  }

  #emit(text: string): void {
    if (!this.#isWanted) return;
    if (this.#met.length === 0 || !text.includes(marker)) {
      this.#append(text);
      return;
    }
    for (const part of partsOf(text, this.#met)) {
      if (typeof part === 'string') {
        this.#append(part);
        continue;
      }
      this.#flush();
      this.#bytes = undefined;
      this.#printed.push(part);
    }
  }

  #append(text: string): void {
    this.#units += text.length;
    // As long as one that is printed at once may be.
    if (this.#units > mostUnits) throw tooLong();
    this.#text += text;
    if (this.#text.length >= pieceUnits) this.#flush();
  }

  #flush(): void {
    if (this.#text === '') return;
    if (this.#bytes !== undefined) this.#bytes += Buffer.byteLength(this.#text);
    this.#printed.push(this.#text);
    this.#text = '';
  }
}

/**
 * As `printJson`, at once, for a value of any length.
 *
 * @throws what `printJson` does
 */
export function printAtOnce(value: unknown): string | undefined {
  return isLong(value) ? printWhole(value) : printJson(value);
}

/**
 * As {@link printAtOnce}, for a value that may be short too: what a `toJSON` in it gives is looked at as well.
 *
 * @throws what `printJson` does
 */
export function printWhole(value: unknown): string | undefined {
  const printer = new LongPrinter(value, true);
  while (!printer.isComplete) printer.step();
  const texts = printer.take();
  return texts.length === 0 ? undefined : texts.join('');
}

/** The result of a `toJSON`. JSON asks that of no other `toJSON`, but a part prints itself in no other way. */
function ownText(toJSON: (name: string) => unknown, item: object, name: string): unknown {
  const text = asResult(() => toJSON.call(item, name), undefined);
  return text instanceof Piecewise ? text.toJSON() : text;
}

function hasOwnText(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'toJSON' in value && typeof value.toJSON === 'function';
}

function itemOf(value: object, names: readonly string[] | undefined, index: number): unknown {
  if (names === undefined) return (value as readonly unknown[])[index];
  const name = names[index] ?? '';
  return Object.hasOwn(value, name) ? (value as Readonly<Record<string, unknown>>)[name] : undefined;
}

/** An object without a prototype, which would take `__proto__` for itself. */
function withNames(items: readonly unknown[], names: readonly string[]): object {
  const object = Object.create(null) as Record<string, unknown>;
  for (const [index, name] of names.entries()) object[name] = items[index];
  return object;
}

function placeIn({ place, names }: Level, index: number): string {
  return names === undefined ? `${place}[${index}]` : `${place}.${names[index]}`;
}

/** Steps that are printed at once of what may be longer: about as much again, three times. */
const firstSteps = 6;

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
export function printLong(value: unknown): PrintedResult | undefined {
  const printer = context.run(beginLong, value, undefined);
  if (!printer.isComplete) return [new LongValue(value, printer)];
  const parts = printer.take();
  if (parts.length === 0) return undefined;
  return parts.some((part) => typeof part !== 'string') ? parts : parts.join('');
}

function beginWhole(value: unknown): LongPrinter {
  return new LongPrinter(value, true);
}

/**
 * As {@link printAtOnce}, in slices.
 *
 * @throws what `printJson` does, by the promise
 */
export async function printInTurns(value: unknown): Promise<string> {
  const printer = context.run(beginWhole, value, undefined);
  await new LongValue(value, printer).printed;
  return printer.take().join('');
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
    return new LongCursor(this, this.#printer, openParts);
  }

  openLines(): LongCursor {
    return new LongCursor(this, this.#printer, openLines);
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
  readonly #open: (printed: PrintedResult) => Cursor[];
  #parts: Parts | undefined;
  #isReleased = false;

  /** @param open begins to print what it has become */
  constructor(value: LongValue, printer: LongPrinter, open: (printed: PrintedResult) => Cursor[]) {
    this.#value = value;
    this.#printer = printer;
    this.#open = open;
  }

  /** Bytes of the whole text, when it is printed and has no parts that are not: not before {@link fill} has given some of it. */
  get length(): number | undefined {
    return this.#printer.isComplete ? this.#printer.length : undefined;
  }

  fill(buffer: Buffer): number | Promise<number> {
    if (this.#parts !== undefined) return this.#parts.fill(buffer);
    return this.#value.printed.then(() => {
      if (this.#isReleased) return 0;
      this.#parts = new Parts(this.#open(this.#printer.take()));
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
