import { readSmallFile } from '../../base/read-file.js';
import { reasonOf, shorten } from '../../base/text.js';
import { passwordProblem } from './secrets.js';

/** One line of a file of users or tokens. */
export interface AccountLine<Secret> {
  readonly name: string;
  readonly grant: string;
  readonly secret: Secret;
}

/** How a file of accounts is read. */
export interface AccountFileOptions<Secret> {
  /** The sort of the lines: `user`, `token`. */
  readonly what: string;
  /** Words that may stand between name and secret. */
  readonly grants: readonly string[];
  /** @throws RangeError telling what is wrong, without the secret */
  readonly parseSecret: (text: string) => Secret;
  /** Told of what is dangerous, but works. */
  readonly warn: (message: string) => void;
}

const largest = 16777216;

/** A name is printable ASCII without a colon, which would end it in Basic authentication. */
export const accountName = /^[\x21-\x39\x3b-\x7e]{1,128}$/;

/**
 * Reads a file with a line `name:grant:secret` for each account; empty lines and those that begin with `#` are passed over.
 *
 * @throws Error with the first problem as `FILE:LINE: text`, or why the file cannot be read; secrets are never in it
 */
export function readAccountFile<Secret>(
  file: string,
  { what, grants, parseSecret, warn }: AccountFileOptions<Secret>,
): readonly AccountLine<Secret>[] {
  const text = readWarning(file, what, warn);
  const accounts = new Map<string, AccountLine<Secret>>();
  for (const [index, raw] of text.split('\n').entries()) {
    const line = raw.trim();
    if (line === '' || line.startsWith('#')) continue;
    const at = `${file}:${index + 1}`;
    const [name = '', grant = '', secret, ...rest] = line.split(':');
    if (secret === undefined || rest.length > 0) {
      throw new Error(`${at}: a ${what} is a line name:level:hash; make it with mi-httpd ${commandOf[what] ?? what}`);
    }
    if (!accountName.test(name)) {
      throw new Error(`${at}: the name is empty, longer than 128 characters, or has blanks or other than ASCII in it`);
    }
    if (!grants.includes(grant)) {
      throw new Error(
        `${at}: ${what} "${name}" has the level ${JSON.stringify(shorten(grant, 40))}; give ${grants.join(', ')}`,
      );
    }
    if (accounts.has(name)) throw new Error(`${at}: ${what} "${name}" is there twice; remove one of the lines`);
    try {
      accounts.set(name, { name, grant, secret: parseSecret(secret) });
    } catch (error) {
      throw new Error(`${at}: ${what} "${name}": ${reasonOf(error)}`);
    }
  }
  if (accounts.size === 0)
    throw new Error(`the file of ${what}s ${file} has none; add one with mi-httpd ${commandOf[what] ?? what} NAME`);
  return [...accounts.values()];
}

/**
 * Reads a password that stands in a file of its own, as its first line.
 *
 * @throws Error naming the file when it cannot be read, or the line is empty
 */
export function readPasswordFile(file: string, warn: (message: string) => void): string {
  const [line = ''] = readWarning(file, 'password', warn).split(/\r?\n/, 1);
  const problem = passwordProblem(line);
  if (problem !== undefined) throw new Error(`the first line of ${file}: ${problem}`);
  return line;
}

const commandOf: Readonly<Record<string, string>> = { user: 'passwd', token: 'token' };

function readWarning(file: string, what: string, warn: (message: string) => void): string {
  try {
    const { text, mode } = readSmallFile(file, largest);
    if ((mode & 0o022) !== 0) {
      const [who, remedy] = (mode & 0o002) === 0 ? ['its group', 'g-w'] : ['everybody on this machine', 'go-w'];
      warn(
        `the file of ${what}s ${file} is writable by ${who}, who could let themselves in; run chmod ${remedy} ${file}`,
      );
    }
    if ((mode & 0o004) !== 0) {
      warn(`the file of ${what}s ${file} is readable by everybody on this machine; run chmod o-rwx ${file}`);
    }
    return text.replace(/^\ufeff/, '');
  } catch (error) {
    throw new Error(`the file of ${what}s ${file} cannot be read: ${reasonOf(error)}`);
  }
}
