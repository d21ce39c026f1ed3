import { addon } from './addon.js';
import { ProgressField } from './layout.js';

/**
 * Indents compact, valid JSON as a stream: members on lines of their own behind one tab for each container around
 * them, name and value parted by a tab, arrays on one line.
 */
export class PrettyPrinter {
  readonly #native = addon.prettyPrinter();
  readonly #progress = new Uint32Array(Object.keys(ProgressField).length);

  /**
   * Continues with `input` into `output`, which must not share memory. Input that is not {@link consumed} has to be
   * pushed again; the text is complete once all of it is.
   */
  push(input: Uint8Array, output: Uint8Array): void {
    this.#native.push(input, output, this.#progress);
  }

  /** Bytes of input that the last push is done with. */
  get consumed(): number {
    return this.#progress[ProgressField.consumed] ?? 0;
  }

  /** Bytes that the last push wrote to the start of its output. */
  get produced(): number {
    return this.#progress[ProgressField.produced] ?? 0;
  }
}

const escaper = addon.htmlEscaper();
const escapeProgress = new Uint32Array(Object.keys(ProgressField).length);

/**
 * Copies UTF-8 from `input` to `output`, which must not share memory, such that HTML shows it literally. Input may be
 * cut anywhere. An output of 6 bytes or more always makes progress.
 *
 * @returns bytes of input that are done with, and bytes of output that were written
 */
export function escapeHtmlBytes(input: Uint8Array, output: Uint8Array): readonly [consumed: number, produced: number] {
  escaper.push(input, output, escapeProgress);
  return [escapeProgress[ProgressField.consumed] ?? 0, escapeProgress[ProgressField.produced] ?? 0];
}
