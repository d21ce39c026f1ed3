import { currentSecond } from '../../base/clock.js';
import { type Cursor, releaseAll, TextCursor } from './cursor.js';
import { Piecewise } from './piecewise.js';

/**
 * Begins to print the parts of a result, all by the same clock.
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
    for (const part of parts.slice(cursors.length + 1)) discardPart(part);
    try {
      releaseAll(cursors);
    } catch {
      // The part that does not open is what is told.
    }
    throw error;
  }
}

/** Gives back what a part holds that nobody will print. */
export function discardPart(part: string | Piecewise): void {
  if (part instanceof Piecewise) part.discard();
}
