import type { ErrorCode } from '../base/codes.js';
import { decodeStrictly } from '../base/text.js';

/** Kinds of tokens; `end` is the end of the text, `symbol` any other single character. */
type TokenKind = 'word' | 'number' | 'string' | 'symbol' | 'end';

/** A piece of the text from `start` to before `end`, in bytes. */
export interface Token {
  readonly kind: TokenKind;
  readonly start: number;
  readonly end: number;
}

/** The text is wrong at `offset` in a way after which nothing more can be read. */
export class SyntaxFault extends Error {
  readonly code: ErrorCode = 'ERR_SYNTAX';
  readonly offset: number;

  constructor(offset: number, text: string) {
    super(text);
    this.offset = offset;
  }
}

const backslashByte = 92;
const newlineByte = 10;
const commentEdge = /\/\*|\*\//g;

/** Cuts a configuration into tokens, each byte being one character. Blanks and comments fall away. */
export class Lexer {
  readonly text: string;
  #at = 0;
  #ahead: Token | undefined;
  #noVariableBefore = 0;
  #unclosed: Token | undefined;

  constructor(text: string) {
    this.text = text;
  }

  /** The next token, which stays the next one. */
  peek(): Token {
    this.#ahead ??= this.#read();
    return this.#ahead;
  }

  /** The next token; at the end of the text it is `end` again and again. */
  next(): Token {
    const token = this.peek();
    this.#ahead = undefined;
    return token;
  }

  /**
   * The first string that ends right before a letter or digit: where a quote is missing, the quote that opens the next
   * string is taken for it. Only to be asked for after an error.
   */
  get unclosed(): Token | undefined {
    return this.#unclosed;
  }

  /** The text of a token, as written. */
  textOf(token: Token): string {
    return this.text.slice(token.start, token.end);
  }

  /** True if a token is the symbol `symbol`. */
  isSymbol(token: Token, symbol: string): boolean {
    return token.kind === 'symbol' && this.text[token.start] === symbol;
  }

  #read(): Token {
    this.#skipBlanks();
    const start = this.#at;
    const first = this.text[start];
    if (first === undefined) return { kind: 'end', start, end: start };
    if (first === '"' || first === "'") return this.#string(first);
    if (!isWordCode(first.charCodeAt(0))) {
      return this.#take('symbol', first === '$' ? this.#endOfVariable() : start + 1);
    }
    // a number takes letters too, so that 08 or 12ab is one wrong number and not two tokens
    return this.#take(isDigit(first) ? 'number' : 'word', this.#endOfWord(start));
  }

  #string(quote: string): Token {
    const token = this.#take('string', this.#endOfString(quote));
    if (isWordCode(this.text.charCodeAt(token.end))) this.#unclosed ??= token;
    return token;
  }

  #take(kind: TokenKind, end: number): Token {
    const start = this.#at;
    this.#at = end;
    return { kind, start, end };
  }

  #endOfWord(start: number): number {
    let at = start;
    while (isWordCode(this.text.charCodeAt(at))) at++;
    return at;
  }

  #skipBlanks(): void {
    for (;;) {
      const blank = this.#blankLength();
      if (blank > 0) this.#at += blank;
      else if (this.text[this.#at] === '#') {
        const newline = this.text.indexOf('\n', this.#at);
        this.#at = newline === -1 ? this.text.length : newline + 1;
      } else if (this.text.startsWith('/*', this.#at)) this.#at = this.#endOfComment();
      else return;
    }
  }

  #blankLength(): number {
    const code = this.text.charCodeAt(this.#at);
    // space, TAB, LF, CR and BS; a backslash joins lines
    if (code === 32 || (code >= 8 && code <= 10) || code === 13) return 1;
    if (code !== backslashByte) return 0;
    if (this.text.charCodeAt(this.#at + 1) === newlineByte) return 2;
    return this.text.startsWith('\r\n', this.#at + 1) ? 3 : 0;
  }

  #endOfComment(): number {
    let depth = 0;
    commentEdge.lastIndex = this.#at;
    for (let edge = commentEdge.exec(this.text); edge !== null; edge = commentEdge.exec(this.text)) {
      depth += edge[0] === '/*' ? 1 : -1;
      if (depth === 0) return commentEdge.lastIndex;
    }
    throw new SyntaxFault(this.#at, 'comment is not closed (comments nest): add the missing */');
  }

  #endOfString(quote: string): number {
    const close = quote.charCodeAt(0);
    for (let at = this.#at + 1; at < this.text.length; at++) {
      const code = this.text.charCodeAt(at);
      if (code === close) return at + 1;
      // only a double-quoted string has escapes, and of those only \" and \\ matter for finding its end
      if (code === backslashByte && quote === '"') at++;
    }
    throw new SyntaxFault(this.#at, `string is not closed: add the missing ${quote}`);
  }

  /** `$(...)` and `$name(...)` may hold quotes, `#` and braces that are not those of the language. */
  #endOfVariable(): number {
    const alone = this.#at + 1;
    if (this.#at < this.#noVariableBefore) return alone;
    let at = alone;
    while (isWordCode(this.text.charCodeAt(at)) || this.text[at] === '.') at++;
    if (this.text[at] !== '(') return alone;
    let depth = 0;
    for (; at < this.text.length && this.text.charCodeAt(at) !== newlineByte; at++) {
      if (this.text[at] === '(') depth++;
      else if (this.text[at] === ')' && --depth === 0) return at + 1;
    }
    // the rest of this line is not searched again, which keeps the time linear
    this.#noVariableBefore = at;
    return alone;
  }
}

function isDigit(character: string): boolean {
  return character >= '0' && character <= '9';
}

/** A letter, a digit or `_`; NaN, the end of the text, is none. */
function isWordCode(code: number): boolean {
  return (code >= 97 && code <= 122) || (code >= 65 && code <= 90) || (code >= 48 && code <= 57) || code === 95;
}

/** The smallest and the largest integer a configuration may hold. */
export const INT32_MIN = -(2 ** 31);
export const INT32_MAX = 2 ** 31 - 1;

const trueWords: ReadonlySet<string> = new Set(['yes', 'true', 'on', 'enable']);
const falseWords: ReadonlySet<string> = new Set(['no', 'false', 'off', 'disable']);

/** The integer that a word stands for: 1 for `yes true on enable`, 0 for `no false off disable`; lower case only. */
export function booleanWord(word: string): number | undefined {
  if (trueWords.has(word)) return 1;
  return falseWords.has(word) ? 0 : undefined;
}

/**
 * Reads an integer: decimal, hexadecimal after `0x`, octal after `0`. A number, or what is wrong with it as a text.
 * A number beyond 32 bits is an error: it is never cut to another number.
 */
export function parseInteger(digits: string, negative: boolean): number | string {
  const written = `${negative ? '-' : ''}${digits.length > 40 ? `${digits.slice(0, 40)}…` : digits}`;
  let value: number;
  if (/^0[xX][0-9A-Fa-f]+$/.test(digits)) value = Number.parseInt(digits.slice(2), 16);
  else if (/^0[0-7]*$/.test(digits)) value = Number.parseInt(digits, 8);
  else if (/^[1-9][0-9]*$/.test(digits)) value = Number(digits);
  else if (/^0[0-9]+$/.test(digits)) return `${written} is not a number: a leading 0 means octal, digits 0 to 7`;
  else return `${written} is not a number: write decimal, 0x and hex digits, 0 and octal digits, or quote a string`;
  const signed = negative && value !== 0 ? -value : value;
  if (signed >= INT32_MIN && signed <= INT32_MAX) return signed;
  return `${written} does not fit 32 bits: give a value from ${INT32_MIN} to ${INT32_MAX}`;
}

/** A problem inside a quoted string: the byte of the token where it is, and what it is. */
interface QuotedProblem {
  readonly offset: number;
  readonly problem: string;
  /** The text read as Latin-1 where it is only no UTF-8, for where nobody uses its bytes. */
  readonly latin1?: string;
}

const simpleEscapes: Readonly<Record<string, number>> = { n: 10, r: 13, a: 7, t: 9, '"': 34, '\\': 92 };
const hexDigits = /[0-9A-Fa-f]{1,2}/y;
const octalDigits = /[0-7]{2,3}/y;

/** Decodes UTF-8; undefined when the bytes are not valid. */
export function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return decodeStrictly(bytes);
  } catch {
    return undefined;
  }
}

/**
 * The text that a quoted token means. Within single quotes all is literal. Within double quotes `\n \r \a \t \" \\`,
 * `\x` with one or two hex digits, a backslash with two or three octal digits and a backslash before a newline
 * (removed) are escapes; any other backslash stands for itself. The result must be UTF-8 without NUL bytes.
 */
export function unquote(token: string): string | QuotedProblem {
  const bytes: number[] = [];
  const offsets: number[] = [];
  const end = token.length - 1;
  const escapes = token.startsWith('"');
  for (let i = 1; i < end; ) {
    const found = escapes && token.charCodeAt(i) === 92 ? escapeAt(token, i) : undefined;
    const byte = found === undefined ? token.charCodeAt(i) : found.byte;
    if (byte !== undefined) {
      if (byte > 255)
        return { offset: i, problem: `escape ${token.slice(i, i + 4)} is above \\377: use \\x and two digits` };
      if (byte === 0) return { offset: i, problem: 'NUL byte in a string: remove it' };
      bytes.push(byte);
      offsets.push(i);
    }
    i += found?.length ?? 1;
  }
  const text = decodeUtf8(Uint8Array.from(bytes));
  if (text !== undefined) return text;
  return {
    offset: offsets[validLength(bytes)] ?? 0,
    problem: 'string is not UTF-8: save the file with that encoding',
    latin1: Buffer.from(bytes).toString('latin1'),
  };
}

function escapeAt(token: string, at: number): { byte: number | undefined; length: number } | undefined {
  const letter = token[at + 1] ?? '';
  const simple = simpleEscapes[letter];
  if (simple !== undefined) return { byte: simple, length: 2 };
  if (letter === '\n') return { byte: undefined, length: 2 };
  if (letter === '\r' && token[at + 2] === '\n') return { byte: undefined, length: 3 };
  hexDigits.lastIndex = at + 2;
  const hex = letter === 'x' ? hexDigits.exec(token) : null;
  if (hex !== null) return { byte: Number.parseInt(hex[0], 16), length: 2 + hex[0].length };
  octalDigits.lastIndex = at + 1;
  const octal = octalDigits.exec(token);
  if (octal !== null) return { byte: Number.parseInt(octal[0], 8), length: 1 + octal[0].length };
  return undefined;
}

/** How many of the bytes from the start are whole UTF-8 characters. */
function validLength(bytes: readonly number[]): number {
  let at = 0;
  while (at < bytes.length) {
    const lead = bytes[at] ?? 0;
    const length = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    if (lead >= 0x80 && decodeUtf8(Uint8Array.from(bytes.slice(at, at + length))) === undefined) break;
    at += length;
  }
  return at;
}
