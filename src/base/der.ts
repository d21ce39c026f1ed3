import { decodeStrictly } from './text.js';

/** One value of DER (X.690). */
export interface DerElement {
  /** Class, form and number in one byte; longer ones stand in no certificate. */
  readonly tag: number;
  readonly content: Uint8Array;
  /** With tag and length. */
  readonly whole: Uint8Array;
}

/** Tags that certificates have. */
export const Tag = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  objectIdentifier: 0x06,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const;

/** Bytes of the longest length that is read: 2^24 - 1 bytes of content are more than any file here has. */
const longestLength = 3;

/**
 * The values that lie one behind the other in some bytes.
 * @throws RangeError for what is no DER
 */
export function readDer(bytes: Uint8Array): readonly DerElement[] {
  const elements: DerElement[] = [];
  for (let at = 0; at < bytes.length; ) {
    const tag = byteAt(bytes, at);
    if ((tag & 0x1f) === 0x1f) throw new RangeError('a tag is longer than a byte');
    let begin = at + 2;
    let length = byteAt(bytes, at + 1);
    if (length >= 0x80) {
      const more = length - 0x80;
      if (more === 0 || more > longestLength) throw new RangeError('a length is not of DER');
      length = 0;
      for (let i = 0; i < more; i++) length = length * 256 + byteAt(bytes, begin + i);
      // One number has one form.
      if (length < 0x80 || length < 256 ** (more - 1)) throw new RangeError('a length is not of DER');
      begin += more;
    }
    const end = begin + length;
    if (end > bytes.length) throw new RangeError('a value is cut');
    elements.push({ tag, content: bytes.subarray(begin, end), whole: bytes.subarray(at, end) });
    at = end;
  }
  return elements;
}

/**
 * The values of a sequence, or of another value that has some in it.
 * @throws RangeError where it has another tag, is missing, or is damaged
 */
export function membersOf(element: DerElement | undefined, tag: number = Tag.sequence): readonly DerElement[] {
  return readDer(contentOf(element, tag));
}

/** @throws RangeError where it has another tag, or is missing */
export function contentOf(element: DerElement | undefined, tag: number): Uint8Array {
  if (element?.tag !== tag) throw new RangeError(`a value with tag ${tag} is missing`);
  return element.content;
}

/** An object identifier as numbers and dots. @throws RangeError where it is none */
export function readOid(element: DerElement | undefined): string {
  const content = contentOf(element, Tag.objectIdentifier);
  const numbers: number[] = [];
  let number = 0;
  for (const [at, byte] of content.entries()) {
    number = number * 128 + (byte & 0x7f);
    if (number > Number.MAX_SAFE_INTEGER / 128) throw new RangeError('an object identifier has too large a number');
    if (byte >= 0x80) {
      if (at === content.length - 1) throw new RangeError('an object identifier is cut');
      continue;
    }
    if (numbers.length === 0) {
      const root = Math.min(2, Math.floor(number / 40));
      numbers.push(root, number - root * 40);
    } else numbers.push(number);
    number = 0;
  }
  return numbers.join('.');
}

const stringTags: Readonly<Record<number, (bytes: Uint8Array) => string>> = {
  // UTF8String
  12: decodeStrictly,
  // NumericString, PrintableString, IA5String, VisibleString
  18: decodeAscii,
  19: decodeAscii,
  22: decodeAscii,
  26: decodeAscii,
  // BMPString
  30: decodeTwoBytes,
};

const control = /[\p{Cc}\p{Surrogate}]/u;

/** A text, as it is compared; undefined for what has control characters, NUL too, and for what is not read for sure. */
export function readText({ tag, content }: DerElement): string | undefined {
  try {
    const text = stringTags[tag]?.(content);
    return text === undefined || text === '' || control.test(text) ? undefined : text;
  } catch {
    return undefined;
  }
}

function decodeAscii(bytes: Uint8Array): string {
  if (bytes.some((byte) => byte > 0x7f)) throw new RangeError('a text is not ASCII');
  return Buffer.from(bytes).toString('latin1');
}

function decodeTwoBytes(bytes: Uint8Array): string {
  if (bytes.length % 2 !== 0) throw new RangeError('a text is cut');
  return Buffer.from(bytes).swap16().toString('utf16le');
}

/** A time, milliseconds since 1970. @throws RangeError where it is none of the form that certificates have */
export function readTime(element: DerElement | undefined): number {
  const isShort = element?.tag === Tag.utcTime;
  const text = decodeAscii(contentOf(element, isShort ? Tag.utcTime : Tag.generalizedTime));
  // RFC 5280 §4.1.2.5.
  const century = isShort ? (text < '5' ? '20' : '19') : '';
  const [, ...parts] = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(century + text) ?? [];
  const [year = Number.NaN, month = 0, day = 0, hour = 0, minute = 0, second = 0] = parts.map(Number);
  const time = Date.UTC(year, month - 1, day, hour, minute, second);
  if (Number.isNaN(time)) throw new RangeError('a time is not of the form that certificates have');
  return time;
}

function byteAt(bytes: Uint8Array, at: number): number {
  const byte = bytes[at];
  if (byte === undefined) throw new RangeError('a value is cut');
  return byte;
}
