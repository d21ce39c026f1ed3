import type { Cursor } from './cursor.js';

/** The parts that were met in the value that is being printed; see {@link collectPieces}. */
let collected: Piecewise[] | undefined;
let placeholder = '';

/**
 * A part of a result that is printed while the reply is sent, at the pace of its reader: the dump of a record table,
 * or what {@link stream} gives. It may stand anywhere in the value that a command returns.
 */
export abstract class Piecewise {
  /**
   * Begins to print.
   *
   * @param now seconds since 1970, at which all values that depend on time are read
   */
  abstract open(now: number): Cursor;

  /** Gives back what it holds, in place of {@link open}: nobody will print it. Never fails. */
  discard(): void {}

  /** The whole value at once, for a text that is not a reply. */
  protected abstract whole(): unknown;

  toJSON(): unknown {
    if (collected === undefined) return this.whole();
    let index = collected.indexOf(this);
    if (index < 0) index = collected.push(this) - 1;
    return `${placeholder}${index}`;
  }
}

/**
 * Calls `print`, during which every {@link Piecewise} prints itself as the string `marker` and its index in the array
 * that is returned with the text.
 */
export function collectPieces(marker: string, print: () => string | undefined): [string | undefined, Piecewise[]] {
  const [before, beforeMarker] = [collected, placeholder];
  const pieces: Piecewise[] = [];
  collected = pieces;
  placeholder = marker;
  try {
    return [print(), pieces];
  } finally {
    collected = before;
    placeholder = beforeMarker;
  }
}

/** Calls `print` as if no reply were being printed: pieces print themselves whole. */
export function printWhole<T>(print: () => T): T {
  const before = collected;
  collected = undefined;
  try {
    return print();
  } finally {
    collected = before;
  }
}
