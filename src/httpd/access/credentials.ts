import { decodeStrictly } from '../../text.js';
/** Name and password of Basic authentication (RFC 7617 §2). */
export interface BasicCredentials {
  readonly name: string;
  readonly password: string;
}

const basic = /^basic +(\S+) *$/i;
const bearer = /^bearer +([A-Za-z0-9._~+/-]+=*)$/i;
const base64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** RFC 7617 §2: neither name nor password has any. */
const control = /\p{Cc}/u;

/**
 * Reads the value of an Authorization header: the scheme in any case (RFC 9110 §11.1), then padded base64 of UTF-8, as
 * the challenge asks for. What is not UTF-8 is Latin-1, as older clients send it; no two passwords become one by that.
 *
 * @returns name and password in one form (NFC), however they were written; undefined for anything else
 */
export function readBasic(authorization: string): BasicCredentials | undefined {
  const encoded = basic.exec(authorization)?.[1];
  if (encoded === undefined || !base64.test(encoded)) return undefined;
  const text = canonicalSecret(decode(Buffer.from(encoded, 'base64')));
  const colon = text.indexOf(':');
  if (colon === -1 || control.test(text)) return undefined;
  return { name: text.slice(0, colon), password: text.slice(colon + 1) };
}

/** A name or password in the one form in which it is compared. */
export function canonicalSecret(text: string): string {
  return text.normalize('NFC');
}

/** The token of an Authorization header (RFC 6750 §2.1). */
export function readBearer(authorization: string): string | undefined {
  return bearer.exec(authorization)?.[1];
}

function decode(bytes: Buffer): string {
  try {
    return decodeStrictly(bytes);
  } catch {
    return bytes.toString('latin1');
  }
}
