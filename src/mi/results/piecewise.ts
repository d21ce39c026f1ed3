import { printJson } from '../../base/json.js';
import type { Cursor } from './cursor.js';

/** The parts that were met in the value that is being printed, undefined outside of {@link printCollecting}. */
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
    return `${placeholder}${collected.push(this) - 1}`;
  }
}

/**
 * Prints a value, in which every {@link Piecewise} prints itself as the string `marker` and its index in `met`, to which
 * it is added.
 */
export function printCollecting(value: unknown, met: Piecewise[], marker: string): string | undefined {
  return collecting(met, marker, printJson, value);
}

/** Calls a function that prints; every {@link Piecewise} is printed as with {@link printCollecting}. */
export function collecting<A, R>(met: Piecewise[], marker: string, print: (value: A) => R, value: A): R {
  const outer = collected;
  const outerMarker = placeholder;
  collected = met;
  placeholder = marker;
  try {
    return print(value);
  } finally {
    // A `toJSON` within one value may print another one.
    collected = outer;
    placeholder = outerMarker;
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
