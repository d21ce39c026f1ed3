import type { Result } from '../commands/command.js';
import { NothingError, serverError } from '../errors.js';
import { StatisticsSelection } from '../statistics.js';
import { marker, partsOf } from './collected-text.js';
import { ConstantResult } from './constant-result.js';
import { BytesCursor, type Cursor } from './cursor.js';
import { LongPrinter, shortNodes } from './long-printer.js';
import { LongValue } from './long-value.js';
import { discardPart, openParts } from './open-parts.js';
import { type Piecewise, printCollecting } from './piecewise.js';
import { weightOf } from './value-size.js';

/** Steps that are printed at once of what may be longer: about as much again, three times. */
const firstSteps = 6;

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
  if (printed === undefined) {
    if (result === undefined) throw serverError('Command handler returned null');
    throw new NothingError(typeof result === 'object' ? 'an object whose toJSON gives nothing' : `a ${typeof result}`);
  }
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
 * A long value becomes a part as well, see {@link LongValue}.
 *
 * @throws RangeError when the value contains itself or is nested too deep, TypeError when a dump was printed into a
 *   text by the value's own `toJSON`; the parts in it have been given back then
 */
export function printParts(value: unknown): PrintedResult | undefined {
  if (value instanceof ConstantResult) return value.text;
  if (typeof value === 'object' && value !== null && weightOf(value, shortNodes) > shortNodes) return printLong(value);
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

/** Begins to print a value that may be long. */
function printLong(value: unknown): PrintedResult | undefined {
  const printer = new LongPrinter(value);
  // By their number, not by the clock: a value is printed in the same way each time.
  for (let steps = 0; steps < firstSteps && !printer.isComplete; steps += 1) printer.step();
  if (!printer.isComplete) return [new LongValue(value, printer)];
  const parts = printer.take();
  if (parts.length === 0) return undefined;
  return parts.some((part) => typeof part !== 'string') ? parts : parts.join('');
}

/** Gives back what the parts of a value hold that nobody will print. Never fails. */
export function discardParts(value: unknown): void {
  if (typeof value !== 'object' || value === null) return;
  try {
    const parts = printParts(value);
    if (Array.isArray(parts)) for (const part of parts) discardPart(part);
  } catch {
    // A value that cannot be printed: nobody wants it.
  }
}
