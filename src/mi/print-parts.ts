import { randomBytes } from 'node:crypto';
import { ConstantResult } from './constant-result.js';
import { type Cursor, TextCursor } from './cursor.js';
import { Piecewise, printCollecting, takePieces } from './piecewise.js';

/** Stands for a dump in the text until it is cut there. It never leaves the process. */
const marker = randomBytes(16).toString('base64url');

/**
 * Prints a value as compact JSON, as `printJson` does, but leaves the dumps in it to be printed piece by piece.
 *
 * @returns the text of a value without dumps; otherwise texts and dumps, by turns, to be written in their order;
 *   undefined when there is nothing to print
 * @throws RangeError when the value contains itself or is nested too deep, TypeError when a dump was printed into a
 *   text by the value's own `toJSON`
 */
export function printParts(value: unknown): string | readonly (string | Piecewise)[] | undefined {
  if (value instanceof ConstantResult) return value.text;
  const text = printCollecting(value, marker);
  const dumps = takePieces();
  if (text === undefined || dumps.length === 0) return text;
  const pieces = text.split(`"${marker}`);
  const parts: (string | Piecewise)[] = [pieces[0] ?? ''];
  for (const piece of pieces.slice(1)) {
    const end = piece.indexOf('"');
    const dump = dumps[Number(piece.slice(0, end))];
    if (dump === undefined) throw misplaced();
    parts.push(dump, piece.slice(end + 1));
  }
  if (parts.some((part) => typeof part === 'string' && part.includes(marker))) throw misplaced();
  return parts.filter((part) => part !== '');
}

/**
 * Begins to print the parts that {@link printParts} gave.
 *
 * @param now seconds since 1970, see {@link Piecewise.open}
 * @throws whatever a part throws; what the others hold has been given back then
 */
export function openParts(parts: readonly (string | Piecewise)[], now: number): Cursor[] {
  const cursors: Cursor[] = [];
  try {
    for (const part of parts) cursors.push(typeof part === 'string' ? new TextCursor(part) : part.open(now));
    return cursors;
  } catch (error) {
    for (const part of parts.slice(cursors.length + 1)) discard(part);
    for (const cursor of cursors) cursor.release();
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
