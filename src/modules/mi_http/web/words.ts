import { codes, MiError } from '../../../mi/errors.js';

const blank = /\s/;

/**
 * Splits words at blanks, as OpenSIPS 2.4 did, with quoting added: within double quotes blanks are kept, and `\"` and
 * `\\` stand for a quote and a backslash.
 *
 * @throws MiError -32700 when a quote is not closed
 */
export function splitWords(text: string): readonly string[] {
  const words: string[] = [];
  let word: string | undefined;
  let isQuoted = false;
  for (let at = 0; at < text.length; at += 1) {
    const character = text.charAt(at);
    if (character === '"') {
      isQuoted = !isQuoted;
      word ??= '';
    } else if (!isQuoted && blank.test(character)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else if (isQuoted && character === '\\' && /["\\]/.test(text.charAt(at + 1))) {
      at += 1;
      word = (word ?? '') + text.charAt(at);
    } else {
      word = (word ?? '') + character;
    }
  }
  if (isQuoted)
    throw new MiError(codes.parseError, undefined, 'a double quote is not closed; write \\" for the character itself');
  if (word !== undefined) words.push(word);
  return words;
}
