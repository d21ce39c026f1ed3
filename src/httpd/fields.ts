import { shorten } from '../text.js';
import type { Field } from './exchange.js';

/** Most fields of one form or query; more are refused, so that no list of them can grow out of hand. */
export const maxFields = 1000;

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

const openBrace = 0x7b;
const openBracket = 0x5b;

/** Called where a field is added to `fields`. */
export function checkRoom(fields: readonly Field[]): void {
  if (fields.length >= maxFields) throw new FieldError(413, `more than ${maxFields} fields; send fewer`);
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
    checkRoom(fields);
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
  for (const pair of pairs(decodeUtf8(body, 'the form'))) {
    if (pair === '') continue;
    const equals = pair.indexOf('=');
    const name = decode(equals === -1 ? pair : pair.slice(0, equals));
    if (name === '') throw new FieldError(400, `field ${fields.length + 1} of the form has no name`);
    checkRoom(fields);
    fields.push({ name, value: equals === -1 ? '' : decode(pair.slice(equals + 1)) });
  }
  return fields;
}

/** What lies between the ampersands, one by one: of a text with too many of them the rest is not looked at. */
function* pairs(text: string): Generator<string> {
  for (let start = 0; start <= text.length; ) {
    const found = text.indexOf('&', start);
    const end = found === -1 ? text.length : found;
    yield text.slice(start, end);
    start = end + 1;
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** @throws FieldError when the bytes are not UTF-8 */
export function decodeUtf8(bytes: Uint8Array, what: string): string {
  try {
    return utf8.decode(bytes);
  } catch {
    throw new FieldError(400, `${what} is not UTF-8`);
  }
}

function decode(text: string): string {
  const spaced = text.includes('+') ? text.replaceAll('+', ' ') : text;
  if (!spaced.includes('%')) return spaced;
  try {
    return decodeURIComponent(spaced);
  } catch {
    throw new FieldError(400, `malformed percent escape, or not UTF-8, in ${JSON.stringify(shorten(text, 60))}`);
  }
}
