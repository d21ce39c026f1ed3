import { decodeStrictly, shorten } from '../../base/text.js';
import type { Field } from '../exchange.js';

/** Most fields of one form or query. To read a form keeps all others waiting, so that its size and its parts are few. */
const maxFields = 256;

/** Most bytes of the body of a form. */
const maxFormBytes = 65536;

const multipart = 'multipart/form-data';

/** Tells whether a POST body of this type is a form, which any page can send anywhere. */
export function isFormType(mediaType: string): boolean {
  return mediaType === 'application/x-www-form-urlencoded' || mediaType === multipart;
}

/** A form that is refused: 400 because it is malformed, 413 because it has too many fields, 415 because it is none. */
export class FieldError extends Error {
  constructor(
    readonly status: 400 | 413 | 415,
    message: string,
  ) {
    super(message);
  }
}

/** Tells whether a body begins as a JSON object or array, behind a byte order mark and blanks. No form begins so: browsers escape it. */
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
function checkRoom(count: number): void {
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
    const name = decode(pair.slice(0, equals));
    fields.push({ name, value: decode(pair.slice(equals + 1), name) });
  }
  return fields;
}

/**
 * Fields of the body of a form, see {@link isFormType}.
 *
 * @param contentType value of the request's Content-Type, with the boundary
 * @throws FieldError
 */
export function parseForm(body: Uint8Array, mediaType: string, contentType: string): readonly Field[] {
  // Clients such as curl say that it is a form unless told otherwise; nobody may take a page for the result of a call.
  if (beginsAsJson(body)) throw new FieldError(415, `the body is JSON, and Content-Type says ${mediaType}`);
  if (body.length > maxFormBytes) {
    throw new FieldError(413, `a form of ${body.length} bytes is over the limit of ${maxFormBytes} bytes`);
  }
  return mediaType === multipart ? parseMultipart(body, contentType) : parseUrlencoded(body);
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
    fields.push({ name, value: equals === -1 ? '' : decodeEscapes(pair.slice(equals + 1), name) });
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

/** The pairs between the ampersands, one by one: the rest of a text with too many of them is not looked at. */
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
function decodeUtf8(bytes: Uint8Array, what: string): string {
  try {
    return decodeStrictly(bytes);
  } catch {
    throw new FieldError(400, `${what} is not UTF-8`);
  }
}

function decode(text: string, field?: string): string {
  // Not by replaceAll, which takes a hundred times as long for a text of nothing else.
  return decodeEscapes(text.includes('+') ? text.split('+').join(' ') : text, field);
}

/** @param field of which it is the value, which is not repeated: it may be a password */
function decodeEscapes(text: string, field?: string): string {
  if (!text.includes('%')) return text;
  try {
    return decodeURIComponent(text);
  } catch {
    const shown = JSON.stringify(shorten(field ?? text, 60));
    throw new FieldError(
      400,
      `malformed percent escape, or not UTF-8, in ${field === undefined ? shown : `field ${shown}`}`,
    );
  }
}

const headEnd = Buffer.from('\r\n\r\n');
const lineEnd = Buffer.from('\r\n');
const closing = Buffer.from('--');

/** Most bytes of the heads of all parts together, as many as a request may have in its own. */
const maxHeads = 16384;

/** Most header lines of a part, and parameters of one of them. */
const maxLines = 8;

/**
 * Fields of a `multipart/form-data` body (RFC 7578), strictly: no preamble, no text after the closing
 * delimiter, no files, no part with a type or encoding of its own; these are refused as in the original.
 * The engine's own parser gives an empty list for what it does not understand, so it is not used.
 *
 * @param contentType value of the request's Content-Type, with its boundary
 * @throws FieldError
 */
export function parseMultipart(body: Uint8Array, contentType: string): readonly Field[] {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.length);
  const boundary = boundaryOf(contentType);
  const delimiter = Buffer.from(`\r\n--${boundary}`, 'latin1');
  if (!startsWith(bytes, 0, delimiter.subarray(2))) throw malformed('it does not begin with its boundary');
  const fields: Field[] = [];
  let position = delimiter.length - 2;
  let heads = 0;
  for (;;) {
    if (startsWith(bytes, position, closing)) {
      const end = position + closing.length;
      if (end === bytes.length || (end + 2 === bytes.length && startsWith(bytes, end, lineEnd))) return fields;
      throw malformed('text follows its end');
    }
    if (!startsWith(bytes, position, lineEnd)) {
      throw malformed(`no line end after the boundary before field ${fields.length + 1}`);
    }
    // The line end after the boundary also ends an empty head, hence the search begins with it.
    checkRoom(fields.length);
    const head = find(bytes, headEnd, position);
    const start = head + headEnd.length;
    const end = head === -1 ? -1 : find(bytes, delimiter, start);
    if (end === -1) throw malformed(`field ${fields.length + 1} does not end`);
    heads += head - position;
    if (heads > maxHeads) throw new FieldError(413, `the heads of the fields have more than ${maxHeads} bytes`);
    const name = nameOf(decodeUtf8(bytes.subarray(position, head), `the head of field ${fields.length + 1}`));
    const value = decodeUtf8(bytes.subarray(start, end), `field ${JSON.stringify(shorten(name, 60))}`);
    fields.push({ name, value });
    position = end + delimiter.length;
  }
}

/** Parameter `boundary`, as a token or a quoted string (RFC 2046 §5.1.1). */
function boundaryOf(contentType: string): string {
  const match = /;\s*boundary=(?:"([^"\\]{1,70})"|([!#$%&'*+.^_`|~0-9A-Za-z-]{1,70}))\s*(?:;|$)/i.exec(contentType);
  const boundary = match?.[1] ?? match?.[2];
  if (boundary === undefined || !/^[ -~]*[!-~]$/.test(boundary)) {
    throw malformed('Content-Type has no valid boundary of 1 to 70 characters');
  }
  return boundary;
}

/** Name of a part from its head, which begins with a line end. */
function nameOf(head: string): string {
  let name: string | undefined;
  const lines = head.split('\r\n').slice(1);
  if (lines.length > maxLines) throw malformed(`the head of a field has more than ${maxLines} lines`);
  for (const line of lines) {
    const colon = line.indexOf(':');
    const header = line.slice(0, Math.max(0, colon)).toLowerCase();
    if (header === 'content-type' || header === 'content-transfer-encoding') {
      throw new FieldError(400, `a field with its own ${header} is not supported; send plain fields`);
    }
    if (colon <= 0 || /[^!#$%&'*+.^_`|~0-9a-z-]/.test(header)) throw malformed('the head of a field is no header');
    if (header === 'content-disposition') {
      if (name !== undefined) throw malformed('a field has two Content-Disposition headers');
      name = dispositionName(line.slice(colon + 1));
    }
  }
  if (name === undefined) throw malformed('a field has no Content-Disposition');
  return name;
}

const parameter = /\s*;\s*([!#$%&'*+.^_`|~0-9A-Za-z-]+)=(?:"((?:[^"\\]|\\[\s\S])*)"|([^\s;"]*))/y;

/** Parameter `name` of `form-data; name="x"` (RFC 7578 §4.2). */
function dispositionName(value: string): string {
  const trimmed = value.trim();
  if (!/^form-data(?=$|[\s;])/i.test(trimmed)) throw malformed('the disposition of a field is not form-data');
  let name: string | undefined;
  parameter.lastIndex = 'form-data'.length;
  for (let count = 0; parameter.lastIndex < trimmed.length; count += 1) {
    if (count === maxLines) throw malformed(`a Content-Disposition has more than ${maxLines} parameters`);
    const match = parameter.exec(trimmed);
    if (match === null) throw malformed('the parameters of a Content-Disposition');
    const [, key = '', quoted, plain = ''] = match;
    if (/^filename\*?$/i.test(key)) throw new FieldError(400, 'files are not accepted; send plain fields');
    if (key.toLowerCase() === 'name') {
      if (name !== undefined) throw malformed('a field has two names');
      name = quoted === undefined ? plain : unquote(quoted);
    }
  }
  if (name === undefined || name === '') throw malformed('a field has no name');
  return name;
}

/** Old clients escape with a backslash, browsers write %22, %0D and %0A. */
function unquote(text: string): string {
  return text
    .replace(/\\(["\\])/g, '$1')
    .replace(/%(22|0D|0A)/gi, (_all, code: string) => written[code.toUpperCase()] ?? '');
}

const written: Readonly<Record<string, string>> = { '22': '"', '0D': '\r', '0A': '\n' };

/**
 * Where `pattern` begins next, which has its first byte nowhere else or only every other; -1: nowhere. Buffer.indexOf takes
 * ten times as long for bytes that begin like it all the time.
 */
function find(bytes: Uint8Array, pattern: Uint8Array, from: number): number {
  const last = bytes.length - pattern.length;
  for (let at = from; at <= last; at += 1) {
    let same = 0;
    while (same < pattern.length && bytes[at + same] === pattern[same]) same += 1;
    if (same === pattern.length) return at;
  }
  return -1;
}

function startsWith(bytes: Buffer, position: number, prefix: Buffer): boolean {
  return bytes.subarray(position, position + prefix.length).equals(prefix);
}

function malformed(reason: string): FieldError {
  return new FieldError(400, `malformed multipart/form-data: ${reason}`);
}
