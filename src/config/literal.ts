import { decodeStrictly } from '../text.js';
/** The smallest and the largest integer a configuration may hold. */
export const INT32_MIN = -(2 ** 31);
export const INT32_MAX = 2 ** 31 - 1;

const TRUE_WORDS: ReadonlySet<string> = new Set(['yes', 'true', 'on', 'enable']);
const FALSE_WORDS: ReadonlySet<string> = new Set(['no', 'false', 'off', 'disable']);

/** The integer that a word stands for: 1 for `yes true on enable`, 0 for `no false off disable`; lower case only. */
export function booleanWord(word: string): number | undefined {
  if (TRUE_WORDS.has(word)) return 1;
  return FALSE_WORDS.has(word) ? 0 : undefined;
}

/**
 * Reads an integer: decimal, hexadecimal after `0x`, octal after `0`. A number, or what is wrong with it as a text.
 * What does not fit 32 bits is an error and not another number.
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
export interface QuotedProblem {
  readonly offset: number;
  readonly problem: string;
  /** The text read as Latin-1 where it is only no UTF-8, for where nobody uses its bytes. */
  readonly latin1?: string;
}

const SIMPLE: Readonly<Record<string, number>> = { n: 10, r: 13, a: 7, t: 9, '"': 34, '\\': 92 };
const HEX = /[0-9A-Fa-f]{1,2}/y;
const OCTAL = /[0-7]{2,3}/y;

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
  const simple = SIMPLE[letter];
  if (simple !== undefined) return { byte: simple, length: 2 };
  if (letter === '\n') return { byte: undefined, length: 2 };
  if (letter === '\r' && token[at + 2] === '\n') return { byte: undefined, length: 3 };
  HEX.lastIndex = at + 2;
  const hex = letter === 'x' ? HEX.exec(token) : null;
  if (hex !== null) return { byte: Number.parseInt(hex[0], 16), length: 2 + hex[0].length };
  OCTAL.lastIndex = at + 1;
  const octal = OCTAL.exec(token);
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
