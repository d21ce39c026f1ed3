import { randomBytes } from 'node:crypto';
import type { Piecewise } from './piecewise.js';

/** Stands for a dump in the text until it is cut there. It never leaves the process. */
export const marker = randomBytes(16).toString('base64url');

/**
 * Cuts a text at the markers in it.
 *
 * @throws TypeError when a part was printed into a text by the value's own `toJSON`
 */
export function partsOf(text: string, met: readonly Piecewise[]): readonly (string | Piecewise)[] {
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

/** The error for a part that became text too early. */
export function misplaced(): TypeError {
  return new TypeError(
    'dump of a record table was turned into a text before the reply was printed; return it as it is',
  );
}
