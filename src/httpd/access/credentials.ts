/** Name and password of Basic authentication (RFC 7617 §2). */
export interface BasicCredentials {
  readonly name: string;
  readonly password: string;
}

const basic = 'Basic ';
const bearer = /^bearer +([A-Za-z0-9._~+/-]+=*)$/i;
const base64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** Strict: what is malformed would all be read as the same character, and one password pass for another. */
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Reads the value of an Authorization header. As in OpenSIPS 4.0 the scheme is written `Basic`, and the base64 text is
 * padded UTF-8; anything else is no credential.
 */
export function readBasic(authorization: string): BasicCredentials | undefined {
  if (!authorization.startsWith(basic)) return undefined;
  const encoded = authorization.slice(basic.length).trim();
  if (!base64.test(encoded)) return undefined;
  try {
    const text = utf8.decode(Buffer.from(encoded, 'base64'));
    const colon = text.indexOf(':');
    return colon === -1 ? undefined : { name: text.slice(0, colon), password: text.slice(colon + 1) };
  } catch {
    return undefined;
  }
}

/** The token of an Authorization header (RFC 6750 §2.1). */
export function readBearer(authorization: string): string | undefined {
  return bearer.exec(authorization)?.[1];
}
