import { createHash, randomBytes } from 'node:crypto';

const tokenForm = /^sha256\$([0-9a-f]{64})$/;

/** A new token of 256 random bits, for a header `Authorization: Bearer`. */
export function makeToken(): string {
  return `mi_${randomBytes(32).toString('base64url')}`;
}

/** What is kept of a token. A plain hash is enough: nobody guesses 256 random bits. */
export function digestToken(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}

/** `sha256$HEX` */
export function formatTokenHash(digest: string): string {
  return `sha256$${digest}`;
}

/** @throws RangeError telling what is wrong, without the hash */
export function parseTokenHash(text: string): string {
  const [, digest] = tokenForm.exec(text) ?? [];
  if (digest === undefined) {
    throw new RangeError('the token is not of the form sha256$HEX; make the line with mi-httpd token');
  }
  return digest;
}
