import { FieldError } from '../../../httpd/fields.js';
import { codes, MiError } from '../../../mi/errors.js';

const quote = 0x22;
const backslash = 0x5c;

/**
 * Splits words at blanks, as OpenSIPS 2.4 did, with quoting added: within double quotes blanks are kept, and `\"` and
 * `\\` stand for a quote and a backslash.
 *
 * @param limit most words
 * @throws MiError -32700 when a quote is not closed
 * @throws FieldError 413 when there are more words
 */
export function splitWords(text: string, limit = Number.POSITIVE_INFINITY): readonly string[] {
  const words: string[] = [];
  /** The characters of a word with quotes, which are fewer than those of the text: put together piece by piece they cost more. */
  let units: Uint16Array | undefined;
  for (let at = 0; at < text.length; ) {
    if (isBlank(text.charCodeAt(at))) {
      at += 1;
      continue;
    }
    if (words.length >= limit) throw tooManyValues(limit);
    const end = endOfPlain(text, at);
    if (text.charCodeAt(end) !== quote) {
      words.push(text.slice(at, end));
      at = end;
      continue;
    }
    units ??= new Uint16Array(text.length);
    const [length, next] = readWord(text, at, units);
    words.push(Buffer.from(units.buffer, 0, 2 * length).toString('utf16le'));
    at = next;
  }
  return words;
}

/** What is read of a request is limited, since making values of it keeps all others waiting. */
export function tooManyValues(limit: number): FieldError {
  return new FieldError(
    413,
    `more than ${limit} values, the limit of a form or max_values; send fewer, or a JSON-RPC call`,
  );
}

/** Where a run without blanks and quotes ends. */
function endOfPlain(text: string, start: number): number {
  let at = start;
  while (at < text.length && text.charCodeAt(at) !== quote && !isBlank(text.charCodeAt(at))) at += 1;
  return at;
}

/** Writes a word without its quotes; gives its length, and where what is behind it begins. */
function readWord(text: string, start: number, units: Uint16Array): readonly [length: number, next: number] {
  let length = 0;
  let isQuoted = false;
  let at = start;
  for (; at < text.length; at += 1) {
    let unit = text.charCodeAt(at);
    if (unit === quote) {
      isQuoted = !isQuoted;
      continue;
    }
    if (!isQuoted && isBlank(unit)) break;
    if (isQuoted && unit === backslash) {
      const escaped = text.charCodeAt(at + 1);
      if (escaped === quote || escaped === backslash) {
        unit = escaped;
        at += 1;
      }
    }
    units[length] = unit;
    length += 1;
  }
  if (isQuoted) {
    throw new MiError(codes.parseError, undefined, 'a double quote is not closed; write \\" for the character itself');
  }
  return [length, at];
}

/** White space and line ends of ECMAScript. */
function isBlank(unit: number): boolean {
  if (unit < 0x80) return unit === 0x20 || (unit >= 0x09 && unit <= 0x0d);
  return blanks.has(unit);
}

const blanks: ReadonlySet<number> = new Set([
  ...[0xa0, 0x1680, 0x2028, 0x2029, 0x202f, 0x205f, 0x3000, 0xfeff],
  ...Array.from({ length: 11 }, (_, at) => 0x2000 + at),
]);
