import { randomBytes } from 'node:crypto';
import { currentSecond } from '../clock.js';
import type { Result } from './command.js';
import { ConstantResult } from './constant-result.js';
import { BytesCursor, type Cursor, releaseAll, TextCursor } from './cursor.js';
import { serverError } from './errors.js';
import { Piecewise, printCollecting } from './piecewise.js';
import { StatisticsSelection } from './statistics.js';

/** Stands for a dump in the text until it is cut there. It never leaves the process. */
const marker = randomBytes(16).toString('base64url');

/** A result as compact JSON: a text, or texts and parts by turns that are printed while it is sent, in their order. */
export type PrintedResult = string | readonly (string | Piecewise)[];

/**
 * Prints the result of a command, as `printJson` does, but leaves the dumps and streams in it to be printed piece by
 * piece; see {@link openParts}.
 *
 * @throws MiError -32000 when there is nothing to print; what {@link printParts} throws
 */
export function printResult(result: Result): PrintedResult {
  const printed = printParts(result);
  if (printed === undefined) throw serverError('Command handler returned null');
  return printed;
}

/**
 * Begins to print a result of any kind.
 *
 * @throws what {@link printResult} and {@link openParts} throw; whatever the result holds has been given back then
 */
export function openResult(result: Result): Cursor[] {
  if (result instanceof StatisticsSelection) {
    result.refresh();
    return [new BytesCursor(result.table.printText(result.slots))];
  }
  const printed = printResult(result);
  return openParts(typeof printed === 'string' ? [printed] : printed);
}

/**
 * As {@link printResult}, for any value.
 *
 * @returns undefined when there is nothing to print
 * @throws RangeError when the value contains itself or is nested too deep, TypeError when a dump was printed into a
 *   text by the value's own `toJSON`; the parts in it have been given back then
 */
export function printParts(value: unknown): PrintedResult | undefined {
  if (value instanceof ConstantResult) return value.text;
  const met = spare ?? [];
  spare = undefined;
  try {
    const text = printCollecting(value, met, marker);
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

function partsOf(text: string, met: readonly Piecewise[]): readonly (string | Piecewise)[] {
  const pieces = text.split(`"${marker}`);
  const parts: (string | Piecewise)[] = [pieces[0] ?? ''];
  for (const piece of pieces.slice(1)) {
    const end = piece.indexOf('"');
    const part = met[Number(piece.slice(0, end))];
    if (part === undefined) throw misplaced();
    parts.push(part, piece.slice(end + 1));
  }
  if (parts.some((part) => typeof part === 'string' && part.includes(marker))) throw misplaced();
  return parts.filter((part) => part !== '');
}

/**
 * Begins to print the parts that {@link printResult} gave, all by the same clock.
 *
 * @throws whatever a part throws; what the others hold has been given back then
 */
export function openParts(parts: readonly (string | Piecewise)[]): Cursor[] {
  const now = currentSecond();
  const cursors: Cursor[] = [];
  try {
    for (const part of parts) cursors.push(typeof part === 'string' ? new TextCursor(part) : part.open(now));
    return cursors;
  } catch (error) {
    for (const part of parts.slice(cursors.length + 1)) discard(part);
    try {
      releaseAll(cursors);
    } catch {
      // The part that does not open is what is told.
    }
    throw error;
  }
}

/** Gives back what the parts of a value hold that nobody will print. Never fails. */
export function discardParts(value: unknown): void {
  if (typeof value !== 'object' || value === null) return;
  try {
    const parts = printParts(value);
    if (Array.isArray(parts)) for (const part of parts) discard(part);
  } catch {
    // A value that cannot be printed: nobody wants it.
  }
}

function discard(part: string | Piecewise): void {
  if (part instanceof Piecewise) part.discard();
}

function misplaced(): TypeError {
  return new TypeError(
    'dump of a record table was turned into a text before the reply was printed; return it as it is',
  );
}
