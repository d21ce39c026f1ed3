import { randomBytes } from 'node:crypto';
import { currentSecond } from '../../base/clock.js';
import { coded } from '../../base/codes.js';

/** Prints one part of a reply, piece by piece, at the pace of its reader. */
export interface Cursor {
  /**
   * Continues into the start of `buffer`, of 4 bytes or more; with a promise, the buffer is the cursor's until it settles.
   *
   * @returns bytes written; 0 when the part is complete
   */
  fill(buffer: Buffer): number | Promise<number>;
  /** True if {@link fill} may answer later: then the buffer may not be shared with others. */
  readonly isSlow?: boolean;
  /** Frees what is held; to be called once, complete or not. */
  release(): void;
}

/**
 * Releases all cursors of a list and empties it.
 *
 * @throws what the first one throws that fails, when all have been released
 */
export function releaseAll(cursors: Cursor[]): void {
  const failures: unknown[] = [];
  for (const cursor of cursors.splice(0)) {
    try {
      cursor.release();
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
}

/** Most UTF-16 units that are encoded at once: about 50 microseconds. */
const pieceUnits = 32768;

/** Prints a text that is there already, as UTF-8, without holding it a second time. */
export class TextCursor implements Cursor {
  #position = 0;

  constructor(readonly text: string) {}

  fill(buffer: Buffer): number {
    const start = this.#position;
    const end = pieceEnd(this.text, start, Math.min(pieceUnits, Math.floor(buffer.length / 3)));
    this.#position = end;
    return buffer.write(this.text.slice(start, end), 0, 'utf8');
  }

  release(): void {
    this.#position = this.text.length;
  }
}

/** Where a piece of so many units ends, no character cut in two. A unit takes at most three bytes of UTF-8; the two halves of a surrogate pair together take four. */
export function pieceEnd(text: string, start: number, units: number): number {
  const end = start + units;
  if (end >= text.length) return text.length;
  const last = text.charCodeAt(end - 1);
  if (last < 0xd800 || last > 0xdbff) return end;
  return units > 1 ? end - 1 : end + 1;
}

/** Prints bytes as they are. */
export class BytesCursor implements Cursor {
  #position = 0;

  constructor(readonly bytes: Uint8Array) {}

  fill(buffer: Buffer): number {
    const piece = this.bytes.subarray(this.#position, this.#position + buffer.length);
    buffer.set(piece);
    this.#position += piece.length;
    return piece.length;
  }

  release(): void {
    this.#position = this.bytes.length;
  }
}

/** Less room than this is left unused: some cursors need it for one character. */
export const leastRoom = 4;

/** Prints parts one after the other, each released when it is complete. */
export class Parts implements Cursor {
  readonly #cursors: Cursor[];

  constructor(cursors: readonly Cursor[]) {
    this.#cursors = [...cursors];
  }

  get isSlow(): boolean {
    return this.#cursors.some((cursor) => cursor.isSlow === true);
  }

  /** True once all parts are printed. */
  get isComplete(): boolean {
    return this.#cursors.length === 0;
  }

  /** Fills the buffer, unless a part answers later: what has been waited for is given at once, since the next wait may be long. */
  fill(buffer: Buffer): number | Promise<number> {
    return this.#fill(buffer, 0);
  }

  #fill(buffer: Buffer, start: number): number | Promise<number> {
    let at = start;
    for (let cursor = this.#cursors[0]; cursor !== undefined; cursor = this.#cursors[0]) {
      if (buffer.length - at < leastRoom) break;
      const written = cursor.fill(at === 0 ? buffer : buffer.subarray(at));
      if (typeof written !== 'number') {
        const from = at;
        return written.then((later) => this.#continue(buffer, from, later));
      }
      at += written;
      if (written === 0) this.#advance();
    }
    return at;
  }

  #continue(buffer: Buffer, at: number, written: number): number | Promise<number> {
    if (written > 0) return at + written;
    this.#advance();
    return this.#fill(buffer, at);
  }

  #advance(): void {
    this.#cursors.shift()?.release();
  }

  release(): void {
    releaseAll(this.#cursors);
  }
}

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

  /** As {@link open}, as lines of JSON: one for each of its items, each with its end. */
  abstract openLines(now: number): Cursor;

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
  return coded(
    'ERR_RESULT',
    new TypeError('dump of a record table was turned into a text before the reply was printed; return it as it is'),
  );
}

/** A result as compact JSON: a text, or texts and parts by turns that are printed while it is sent, in their order. */
export type PrintedResult = string | readonly (string | Piecewise)[];

/**
 * Begins to print the parts of a result, all by the same clock.
 *
 * @param ended told once, when all of it is printed or given up, or cannot be opened
 * @throws whatever a part throws; what the others hold has been given back then
 */
export function openParts(printed: PrintedResult, ended?: () => void): Cursor[] {
  return openEach(typeof printed === 'string' ? [printed] : printed, (part, now) => part.open(now), ended);
}

/**
 * Begins to print a result as lines of JSON: one for each record of the dumps and streams in it, without what is around
 * them; of a result without any, one for the whole.
 *
 * @throws what {@link openParts} throws
 */
export function openLines(printed: PrintedResult, ended?: () => void): Cursor[] {
  const parts = typeof printed === 'string' ? [printed] : printed;
  const lists = parts.filter((part) => typeof part !== 'string');
  if (lists.length === 0) return openParts([...parts, '\n'], ended);
  return openEach(lists, (part, now) => part.openLines(now), ended);
}

/** Prints nothing, and tells when it is released: all before it is printed then, or given up. */
class EndCursor implements Cursor {
  constructor(readonly release: () => void) {}

  fill(): number {
    return 0;
  }
}

function openEach(
  parts: readonly (string | Piecewise)[],
  open: (part: Piecewise, now: number) => Cursor,
  ended?: () => void,
): Cursor[] {
  const now = currentSecond();
  const cursors: Cursor[] = [];
  try {
    for (const part of parts) cursors.push(typeof part === 'string' ? new TextCursor(part) : open(part, now));
    if (ended !== undefined) cursors.push(new EndCursor(ended));
    return cursors;
  } catch (error) {
    ended?.();
    for (const part of parts.slice(cursors.length + 1)) if (part instanceof Piecewise) part.discard();
    try {
      releaseAll(cursors);
    } catch {
      // The failure to open is the one that is thrown.
    }
    throw error;
  }
}
