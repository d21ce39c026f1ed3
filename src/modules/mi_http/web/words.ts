import { FieldError } from '../../../httpd/fields.js';
import { codes, MiError } from '../../../mi/errors.js';

/** Up to the next character that means something: outside of quotes and within. */
const plain = /[^\s"]*/y;
const quoted = /[^"\\]*/y;
const blanks = /\s*/y;

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
  let at = passed(blanks, text, 0);
  while (at < text.length) {
    if (words.length >= limit) throw tooManyValues(limit);
    let word = '';
    while (at < text.length && passed(blanks, text, at) === at) {
      if (text.charAt(at) === '"') {
        const [part, end] = readQuoted(text, at + 1);
        word += part;
        at = end;
      } else {
        const end = passed(plain, text, at);
        word += text.slice(at, end);
        at = end;
      }
    }
    words.push(word);
    at = passed(blanks, text, at);
  }
  return words;
}

/** What is read of a request is limited, since making values of it keeps all others waiting. */
export function tooManyValues(limit: number): FieldError {
  return new FieldError(413, `more than ${limit} values, the limit max_values; send fewer`);
}

/** The text up to the closing quote, and where what is behind that begins. */
function readQuoted(text: string, start: number): readonly [part: string, end: number] {
  let part = '';
  for (let at = start; at < text.length; ) {
    const end = passed(quoted, text, at);
    part += text.slice(at, end);
    if (text.charAt(end) === '"') return [part, end + 1];
    const escaped = text.charAt(end + 1);
    const isEscape = escaped === '"' || escaped === '\\';
    part += isEscape ? escaped : text.charAt(end);
    at = end + (isEscape ? 2 : 1);
  }
  throw new MiError(codes.parseError, undefined, 'a double quote is not closed; write \\" for the character itself');
}

/** Where what a sticky expression passes over ends. */
function passed(expression: RegExp, text: string, at: number): number {
  expression.lastIndex = at;
  expression.test(text);
  return expression.lastIndex;
}
