import { createHash, randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import { decodeStrictly } from '../../base/text.js';

/** A salted hash of a password by scrypt (RFC 7914). */
export interface PasswordHash {
  /** Cost of memory and time, a power of 2. */
  readonly n: number;
  /** Size of a block. */
  readonly r: number;
  /** Times that all is done. */
  readonly p: number;
  readonly salt: Buffer;
  readonly hash: Buffer;
}

/** 16 MiB and about 0.2 s: one of the equivalent settings that OWASP recommends. */
const cost = { n: 16384, r: 8, p: 5 } as const;
const hashSize = 32;
const saltSize = 16;

/** Most memory that a hash of a file may take, so that a login cannot exhaust the server. */
const maxMemory = 268435456;

const passwordForm = /^scrypt\$(\d{1,8})\$(\d{1,3})\$(\d{1,3})\$([A-Za-z0-9_-]{11,86})\$([A-Za-z0-9_-]{22,86})$/;

/** Says why something is no password, undefined when it is one; it is never repeated. */
export function passwordProblem(password: string): string | undefined {
  if (password.trim() === '') return 'the password is empty: give one of a character or more that is no blank';
  return /\p{Cc}/u.test(password) ? 'the password has control characters, and no client may send them' : undefined;
}

/** Fewest characters of a password that nobody is warned of. */
const fewest = 8;

/** Placeholders for a password in examples and in tools for templates. */
const placeholder = /^(?:change[-_ ]?(?:me|it)|password|secret|todo|x{3,}|\*+|__.*__|<.*>|\[.*\])$/i;

/** Says why a password is easily guessed, undefined when that cannot be told; it is never repeated. */
export function passwordWeakness(password: string): string | undefined {
  if (placeholder.test(password)) return 'stands where a password was to be filled in, and anybody may guess it';
  return [...password].length < fewest ? `has fewer than ${fewest} characters, and is soon guessed` : undefined;
}

/** Hashes a password with a new salt. */
export async function hashPassword(password: string): Promise<PasswordHash> {
  const salt = randomBytes(saltSize);
  return { ...cost, salt, hash: await derive(password, { ...cost, salt, hash: Buffer.alloc(hashSize) }) };
}

/** A hash that no password has, at the cost of `like`: verified where there is no user, so that it takes as long. */
export function hashOfNobody(
  like: PasswordHash = { ...cost, salt: randomBytes(saltSize), hash: randomBytes(hashSize) },
): PasswordHash {
  return { ...like, salt: randomBytes(like.salt.length), hash: randomBytes(like.hash.length) };
}

/** `scrypt$N$r$p$salt$hash`, salt and hash in base64url. */
export function formatPasswordHash({ n, r, p, salt, hash }: PasswordHash): string {
  return `scrypt$${n}$${r}$${p}$${salt.toString('base64url')}$${hash.toString('base64url')}`;
}

/** @throws RangeError telling what is wrong, without the hash */
export function parsePasswordHash(text: string): PasswordHash {
  const match = passwordForm.exec(text);
  if (match === null) {
    throw new RangeError('the password is not of the form scrypt$N$r$p$salt$hash; make the line with mi-httpd passwd');
  }
  const [n = 0, r = 0, p = 0] = match.slice(1, 4).map(Number);
  const isPower = Number.isInteger(Math.log2(n));
  if (n < 1024 || !isPower || r < 1 || p < 1 || p > 64 || 128 * n * r > maxMemory) {
    throw new RangeError(
      `the cost ${n}$${r}$${p} is out of range; N is a power of 2 from 1024, p is 1 to 64, ` +
        `and 128 * N * r is at most ${maxMemory} bytes`,
    );
  }
  return { n, r, p, salt: Buffer.from(match[4] ?? '', 'base64url'), hash: Buffer.from(match[5] ?? '', 'base64url') };
}

/** Off the main thread. The comparison takes the same time wherever they differ. */
export async function verifyPassword(password: string, expected: PasswordHash): Promise<boolean> {
  return timingSafeEqual(await derive(password, expected), expected.hash);
}

function derive(password: string, { n, r, p, salt, hash }: PasswordHash): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const options = { N: n, r, p, maxmem: 128 * r * (n + p + 2) + 65536 };
    scrypt(password.normalize('NFC'), salt, hash.length, options, (error, key) => {
      if (error === null) resolve(key);
      else reject(error);
    });
  });
}

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

/** True for what is neither a name nor a password. */
export function hasControl(text: string): boolean {
  return control.test(text);
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

const tokenForm = /^sha256\$([0-9a-f]{64})$/;

/** A new token of 256 random bits, for a header `Authorization: Bearer`. */
export function makeToken(): string {
  return `mi_${randomBytes(32).toString('base64url')}`;
}

/** The digest of a token, which is all that is kept of it. A plain hash is enough: 256 random bits cannot be guessed. */
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
