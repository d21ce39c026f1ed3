import { strictDecoder } from '../base/text.js';

/** A line of a text; `text` is undefined where `problem` tells why it cannot be used. */
export interface Line {
  /** From 1. */
  readonly number: number;
  readonly text: string | undefined;
  readonly problem?: string;
}

/** Longest line in bytes. */
const maxLine = 1048576;

const newline = 0x0a;

/**
 * Parts bytes into lines of UTF-8, blank ones left out. A line that is too long or not UTF-8 is told in its place, and
 * no more of it is held than the limit.
 *
 * @param onBytes told the length of every piece that has been read
 */
export async function* readLines(
  input: AsyncIterable<Buffer>,
  onBytes: (length: number) => void = () => {},
): AsyncGenerator<Line, void, undefined> {
  const decoder = strictDecoder();
  let number = 0;
  let rest: Buffer[] = [];
  let length = 0;
  const finish = (): Line | undefined => {
    number += 1;
    const [pieces, bytes] = [rest, length];
    rest = [];
    length = 0;
    if (bytes > maxLine) return { number, text: undefined, problem: `line is longer than ${maxLine} bytes` };
    try {
      // Takes a byte order mark away, too.
      const text = decoder.decode(Buffer.concat(pieces)).trim();
      return text === '' ? undefined : { number, text };
    } catch {
      return { number, text: undefined, problem: 'line is not UTF-8' };
    }
  };
  for await (const piece of input) {
    onBytes(piece.length);
    let start = 0;
    for (;;) {
      const end = piece.indexOf(newline, start);
      const part = piece.subarray(start, end < 0 ? piece.length : end);
      length += part.length;
      if (length <= maxLine) rest.push(part);
      else rest = [];
      if (end < 0) break;
      const line = finish();
      if (line !== undefined) yield line;
      start = end + 1;
    }
  }
  if (length > 0) {
    const line = finish();
    if (line !== undefined) yield line;
  }
}
