import { randomBytes } from 'node:crypto';
import type { Cursor } from './cursor.js';

/** Stands for a part in the text until the text is cut there. It never leaves the process. */
export const marker = randomBytes(16).toString('base64url');

/** The parts that were met in the value that is being printed for a reply; `toJSON` has no other way to know of them. */
let collected: Piecewise[] | undefined;

/**
 * A part of a result that is printed while the reply is sent, at the pace of its reader: the dump of a record table,
 * or what {@link stream} gives. It may stand anywhere in the value that a command returns.
 */
export abstract class Piecewise<T = unknown> {
  /**
   * Begins to print.
   *
   * @param now second of `currentSecond`, at which all values that depend on time are read
   */
  abstract open(now: number): Cursor;

  /** Gives back its memory, in place of {@link open}: it is not printed. Never fails. */
  discard(): void {}

  /** The whole value at once, for a text that is not a reply. */
  protected abstract whole(): T;

  toJSON(): T {
    // The marker never gets out of the reply that is being printed.
    return collected === undefined ? this.whole() : ((marker + (collected.push(this) - 1)) as T);
  }
}

/**
 * Calls a function that prints a value, in which every {@link Piecewise} prints itself as a string: the marker, and its
 * index in `met`, to which it is added. Without `met` they print themselves whole.
 */
export function collecting<A, R>(met: Piecewise[] | undefined, print: (value: A) => R, value: A): R {
  const outer = collected;
  collected = met;
  try {
    return print(value);
  } finally {
    // A `toJSON` within one value may print another one.
    collected = outer;
  }
}

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
