import { decodeStrictly, shorten } from '../text.js';
import type { Field } from './exchange.js';

/** Most fields of one form or query. To read a form keeps all others waiting, so that its size and its parts are few. */
export const maxFields = 256;

/** Most bytes of the body of a form. */
export const maxFormBytes = 65536;

/** A form that is refused: 400 because it is malformed, 413 because it has too many fields, 415 because it is none. */
export class FieldError extends Error {
  constructor(
    readonly status: 400 | 413 | 415,
    message: string,
  ) {
    super(message);
  }
}

/** Whether a body begins as a JSON object or array, behind a byte order mark and blanks. No form begins so: browsers escape it. */
export function beginsAsJson(body: Uint8Array): boolean {
  let at = body[0] === 0xef && body[1] === 0xbb && body[2] === 0xbf ? 3 : 0;
  while (isBlank(body[at])) at += 1;
  return body[at] === openBrace || body[at] === openBracket;
}

function isBlank(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x09 || byte === 0x0a || byte === 0x0d;
}

const plus = 0x2b;
const openBrace = 0x7b;
const openBracket = 0x5b;

/**
 * Called before another field is read.
 *
 * @param count fields that were read
 * @throws FieldError
 */
export function checkRoom(count: number): void {
  if (count >= maxFields) throw new FieldError(413, `more than ${maxFields} fields; send fewer`);
}

/**
 * Arguments of a query string, percent- and plus-decoded. One without `=` is no argument, as in the
 * original; one without a name neither.
 *
 * @throws FieldError
 */
export function parseQuery(query: string): readonly Field[] {
  const fields: Field[] = [];
  for (const pair of pairs(query)) {
    const equals = pair.indexOf('=');
    if (equals <= 0) continue;
    fields.push({ name: decode(pair.slice(0, equals)), value: decode(pair.slice(equals + 1)) });
  }
  return fields;
}

/**
 * Fields of an `application/x-www-form-urlencoded` body, percent- and plus-decoded. One without `=` is empty.
 *
 * @throws FieldError also for a field without a name, as in the original
 */
export function parseUrlencoded(body: Uint8Array): readonly Field[] {
  const fields: Field[] = [];
  for (const pair of pairs(decodeUtf8(spaced(body), 'the form'))) {
    if (pair === '') continue;
    const equals = pair.indexOf('=');
    const name = decodeEscapes(equals === -1 ? pair : pair.slice(0, equals));
    if (name === '') throw new FieldError(400, `field ${fields.length + 1} of the form has no name`);
    fields.push({ name, value: equals === -1 ? '' : decodeEscapes(pair.slice(equals + 1)) });
  }
  return fields;
}

/** Blanks in place of pluses, byte by byte: parting a text of nothing else at them takes fifty times as long. */
function spaced(body: Uint8Array): Uint8Array {
  if (!body.includes(plus)) return body;
  const bytes = new Uint8Array(body);
  for (let at = 0; at < bytes.length; at += 1) if (bytes[at] === plus) bytes[at] = 0x20;
  return bytes;
}

/** What lies between the ampersands, one by one: of a text with too many of them the rest is not looked at. */
function* pairs(text: string): Generator<string> {
  for (let start = 0, count = 0; start <= text.length; count += 1) {
    checkRoom(count);
    const found = text.indexOf('&', start);
    const end = found === -1 ? text.length : found;
    yield text.slice(start, end);
    start = end + 1;
  }
}

/** @throws FieldError when the bytes are not UTF-8 */
export function decodeUtf8(bytes: Uint8Array, what: string): string {
  try {
    return decodeStrictly(bytes);
  } catch {
    throw new FieldError(400, `${what} is not UTF-8`);
  }
}

function decode(text: string): string {
  // Not by replaceAll, which takes a hundred times as long for a text of nothing else.
  return decodeEscapes(text.includes('+') ? text.split('+').join(' ') : text);
}

function decodeEscapes(text: string): string {
  if (!text.includes('%')) return text;
  try {
    return decodeURIComponent(text);
  } catch {
    throw new FieldError(400, `malformed percent escape, or not UTF-8, in ${JSON.stringify(shorten(text, 60))}`);
  }
}
