import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { LogCode } from '../../base/codes.js';
import { othersWrite, readSmallFile } from '../../base/files.js';
import { Recent } from '../../base/recent.js';
import { reasonOf, shorten } from '../../base/text.js';
import type { ClientCertificate } from './client-certificate.js';
import {
  type BasicCredentials,
  canonicalSecret,
  digestToken,
  hashOfNobody,
  type PasswordHash,
  passwordProblem,
  verifyPassword,
} from './secrets.js';

/** A user, or the owner of a token, who may log in. */
export interface Account {
  readonly name: string;
  readonly grant: string;
}

/** Passwords that are verified at a time, each with 16 MiB and a thread of its own, and those that may wait: a few seconds. */
const atOnce = 2;
const maxWaiting = 16;

/** The accounts of a server at one time. */
export interface AccountSettings {
  /** The account whose password stands in the configuration. */
  readonly single?: AccountLine<string> | undefined;
  readonly users: readonly AccountLine<PasswordHash>[];
  /** Each with the digest of its token. */
  readonly tokens: readonly AccountLine<string>[];
  /** Each with what tells its certificates, see `parseIdentity`; undefined: certificates tell no user. */
  readonly clients?: readonly AccountLine<string>[] | undefined;
  /** Asked for every credential, in place of all others but certificates. */
  readonly authenticate?: Authenticate | undefined;
}

/** What a client shows to log in: a name with its password, or a token. */
export type Credentials =
  | { readonly name: string; readonly password: string; readonly token?: undefined }
  | { readonly token: string; readonly name?: undefined; readonly password?: undefined };

/** A request that comes with credentials. */
export interface LoginRequest {
  /** Where it comes from: an address, or `local` by a Unix socket. */
  readonly origin: string;
  /** Path without the query, as received. */
  readonly path: string;
}

/** Whose credentials these are; undefined: nobody's. */
export type Authenticate = (credentials: Credentials, request: LoginRequest) => Promise<Account | undefined>;

/** Of this process: what {@link Accounts.stampOf} gives is compared from one object to the next. */
const stampKey = randomBytes(32);

/** Everybody who may log in, and the proofs. Another object after the files have changed: then nobody is remembered. */
export class Accounts {
  readonly verified = new VerifiedCredentials<Account>();
  readonly #key = randomBytes(32);
  readonly #single:
    | { readonly account: Account; readonly name: Buffer; readonly password: Buffer; readonly stamp: string }
    | undefined;
  readonly #users: ReadonlyMap<string, AccountLine<PasswordHash>>;
  readonly #tokens: ReadonlyMap<string, Account>;
  readonly #nobody: PasswordHash;
  readonly #clients: ReadonlyMap<string, Account> | undefined;
  /** Undefined: the accounts are those of files and parameters. */
  readonly authenticate: Authenticate | undefined;

  /** @param turns shared by all accounts of a server, old ones too */
  constructor(
    { single, users, tokens, clients, authenticate }: AccountSettings,
    readonly turns: Turns = new Turns(atOnce, maxWaiting),
  ) {
    this.authenticate = authenticate;
    this.#single =
      single === undefined
        ? undefined
        : {
            account: { name: single.name, grant: single.grant },
            name: this.#digest(canonicalSecret(single.name)),
            password: this.#digest(canonicalSecret(single.secret)),
            stamp: createHmac('sha256', stampKey).update(single.secret).digest('base64'),
          };
    this.#users = new Map(users.map((user) => [user.name, user]));
    this.#tokens = new Map(tokens.map(({ name, grant, secret }) => [secret, { name, grant }]));
    this.#clients = clients && new Map(clients.map(({ name, grant, secret }) => [secret, { name, grant }]));
    const costs = users.map(({ secret }) => secret).sort((a, b) => b.n * b.r * b.p - a.n * a.r * a.p);
    this.#nobody = hashOfNobody(costs[0]);
  }

  /**
   * Whose password this is. It takes as long for a name that nobody has as for a wrong password.
   *
   * @param network where it comes from: its places among those that wait are counted
   * @param rank the lowest goes first
   * @returns at once where no hash has to be made
   * @throws BusyError later, when too many passwords wait to be verified
   */
  byPassword(
    { name, password }: BasicCredentials,
    network: string,
    rank: number,
  ): Account | undefined | Promise<Account | undefined> {
    const single = this.#single;
    // Both are always compared.
    const isName = single !== undefined && timingSafeEqual(this.#digest(name), single.name);
    const isPassword = single !== undefined && timingSafeEqual(this.#digest(password), single.password);
    if (isName && isPassword) return single.account;
    if (this.#users.size === 0) return undefined;
    const user = isName ? undefined : this.#users.get(name);
    return this.turns
      .run(() => verifyPassword(password, user?.secret ?? this.#nobody), [network, `${name}:`], rank)
      .then((isRight) => (isRight && user !== undefined ? { name: user.name, grant: user.grant } : undefined));
  }

  byToken(token: string): Account | undefined {
    return this.#tokens.get(digestToken(token));
  }

  /** True where there is a password that lets somebody in. */
  get hasPasswords(): boolean {
    return this.#single !== undefined || this.#users.size > 0;
  }

  /** True where there is a token that lets somebody in. */
  get hasTokens(): boolean {
    return this.#tokens.size > 0;
  }

  /** Stands for an account with its grant and its secret, as both are now: another one when either changes, undefined without it. */
  stampOf({ name }: Account, isOfToken: boolean): string | undefined {
    const proof = isOfToken ? this.#tokenProof(name) : this.#passwordProof(name);
    return proof === undefined
      ? undefined
      : createHmac('sha256', stampKey)
          .update(JSON.stringify([isOfToken, name, ...proof]))
          .digest('base64');
  }

  #tokenProof(name: string): readonly string[] | undefined {
    const found = [...this.#tokens].find(([, account]) => account.name === name);
    return found === undefined ? undefined : [found[1].grant, found[0]];
  }

  #passwordProof(name: string): readonly string[] | undefined {
    if (this.#single?.account.name === name) return [this.#single.account.grant, this.#single.stamp];
    const user = this.#users.get(name);
    if (user === undefined) return undefined;
    const { salt, hash } = user.secret;
    return [user.grant, salt.toString('base64'), hash.toString('base64')];
  }

  /** True where a certificate says which user its client is. */
  get knowsCertificates(): boolean {
    return this.#clients !== undefined;
  }

  /** The users that a certificate is one of; more than one where it bears the names of several. */
  byCertificate({ identities }: ClientCertificate): readonly Account[] {
    const found = identities.map((identity) => this.#clients?.get(identity)).filter((account) => account !== undefined);
    return [...new Set(found)];
  }

  #digest(text: string): Buffer {
    return createHmac('sha256', this.#key).update(text).digest();
  }
}

/** Milliseconds after which a credential that was not used is verified anew. */
const lifetime = 300_000;

/** Credentials that are remembered; above it the one that was used the longest ago is forgotten. */
const capacity = 256;

interface Remembered<Account> {
  readonly account: Account;
  readonly until: number;
}

/**
 * Credentials that were verified lately, so that a client that sends its password with every request costs one look-up.
 * Nothing of a credential is kept but a digest under a key that only this process has: what is found by it, and how
 * long that takes, tells nothing about passwords.
 */
export class VerifiedCredentials<Account> {
  readonly #key = randomBytes(32);
  readonly #accounts = new Recent<Remembered<Account>>(capacity);

  constructor(readonly now: () => number = () => performance.now()) {}

  get size(): number {
    return this.#accounts.size;
  }

  /** Of a credential as it came from a network: one of another network is verified anew. Neither has a NUL in it. */
  digest(network: string, name: string, password: string): string {
    return createHmac('sha256', this.#key).update(`${network}\0${name}\0${password}`).digest('base64');
  }

  find(digest: string): Account | undefined {
    const remembered = this.#accounts.get(digest);
    if (remembered === undefined) return undefined;
    if (remembered.until < this.now()) {
      this.#accounts.delete(digest);
      return undefined;
    }
    this.add(digest, remembered.account);
    return remembered.account;
  }

  add(digest: string, account: Account): void {
    this.#accounts.set(digest, { account, until: this.now() + lifetime });
  }
}

/** One line of a file of users or tokens. */
export interface AccountLine<Secret> {
  readonly name: string;
  readonly grant: string;
  readonly secret: Secret;
}

/** What a line of each sort has, and how one comes into the file. */
const sorts = {
  user: { line: 'name:level:hash; make it with mi-httpd passwd', remedy: 'add one with mi-httpd passwd NAME' },
  token: { line: 'name:level:hash; make it with mi-httpd token', remedy: 'add one with mi-httpd token NAME' },
  'client user': {
    line: 'name:level:cn=NAME, or subject=, dns=, email=, uri= or sha256=',
    remedy: 'add one such as alice:read:cn=alice',
  },
} as const;

/** How a file of accounts is read. */
export interface AccountFileOptions<Secret> {
  /** The sort of the lines. */
  readonly what: keyof typeof sorts;
  /** Words that may stand between name and secret. */
  readonly grants: readonly string[];
  /** @throws RangeError telling what is wrong, without the secret */
  readonly parseSecret: (text: string) => Secret;
  /** True where secrets may have colons, and no two accounts may have the same. */
  readonly isIdentity?: boolean;
  /** Told of what is dangerous, but works. */
  readonly warn: (code: LogCode, text: string) => void;
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
  { what, grants, parseSecret, isIdentity = false, warn }: AccountFileOptions<Secret>,
): readonly AccountLine<Secret>[] {
  const { line: form, remedy } = sorts[what];
  const text = readWarning(file, what, warn);
  const accounts = new Map<string, AccountLine<Secret>>();
  const owners = new Map<Secret, string>();
  for (const [index, raw] of text.split('\n').entries()) {
    const line = raw.trim();
    if (line === '' || line.startsWith('#')) continue;
    const at = `${file}:${index + 1}`;
    const [name = '', grant = '', ...rest] = line.split(':');
    if (rest.length === 0 || (rest.length > 1 && !isIdentity)) throw new Error(`${at}: a ${what} is a line ${form}`);
    if (!accountName.test(name)) {
      throw new Error(`${at}: the name is empty, longer than 128 characters, or has blanks or other than ASCII in it`);
    }
    if (!grants.includes(grant)) {
      throw new Error(
        `${at}: ${what} "${name}" has the level ${JSON.stringify(shorten(grant, 40))}; give ${grants.join(', ')}`,
      );
    }
    if (accounts.has(name)) throw new Error(`${at}: ${what} "${name}" is there twice; remove one of the lines`);
    let secret: Secret;
    try {
      secret = parseSecret(rest.join(':'));
    } catch (error) {
      throw new Error(`${at}: ${what} "${name}": ${reasonOf(error)}`);
    }
    const other = isIdentity ? owners.get(secret) : undefined;
    if (other !== undefined) {
      throw new Error(`${at}: ${what} "${name}" has the certificates of "${other}"; remove one of the lines`);
    }
    owners.set(secret, name);
    accounts.set(name, { name, grant, secret });
  }
  if (accounts.size === 0) throw new Error(`the file of ${what}s ${file} has none; ${remedy}`);
  return [...accounts.values()];
}

/**
 * Reads a password that stands in a file of its own, as its first line.
 *
 * @throws Error naming the file when it cannot be read, or the line is empty
 */
export function readPasswordFile(file: string, warn: (code: LogCode, text: string) => void): string {
  const [line = ''] = readWarning(file, 'password', warn).split(/\r?\n/, 1);
  const problem = passwordProblem(line);
  if (problem !== undefined) throw new Error(`the first line of ${file}: ${problem}`);
  return line;
}

function readWarning(file: string, what: string, warn: (code: LogCode, text: string) => void): string {
  try {
    const { text, mode } = readSmallFile(file, largest);
    const others = othersWrite(mode);
    if (others !== undefined) {
      const { who, remedy } = others;
      warn(
        'secrets-writable',
        `the file of ${what}s ${file} is writable by ${who}, who could let themselves in; run chmod ${remedy} ${file}`,
      );
    }
    if ((mode & 0o004) !== 0) {
      warn(
        'secrets-readable',
        `the file of ${what}s ${file} is readable by everybody on this machine; run chmod o-rwx ${file}`,
      );
    }
    return text.replace(/^\ufeff/, '');
  } catch (error) {
    throw new Error(`the file of ${what}s ${file} cannot be read: ${reasonOf(error)}`);
  }
}

/** More wait already than may wait. */
export class BusyError extends Error {
  override readonly name = 'BusyError';
}

interface Waiting {
  readonly parties: readonly string[];
  readonly rank: number;
  readonly start: () => void;
  readonly refuse: (reason: BusyError) => void;
}

/**
 * Runs costly tasks, a few at a time, and lets a bounded number wait for their turn. The lowest rank goes first. When too
 * many wait, the place of the highest rank is given away, and among those one of the party with the most places.
 */
export class Turns {
  #running = 0;
  readonly #waiting: Waiting[] = [];

  /**
   * @param atOnce tasks that run at a time
   * @param maxWaiting tasks that may wait
   */
  constructor(
    readonly atOnce: number,
    readonly maxWaiting: number,
  ) {}

  /**
   * @param parties those that the task is for, such as a network and a name: each has a share of the places
   * @throws BusyError when too many wait that go before this one; what the task throws
   */
  async run<T>(task: () => Promise<T>, parties: readonly string[] = [], rank = 0): Promise<T> {
    if (this.#running >= this.atOnce) {
      if (this.#waiting.length >= this.maxWaiting) this.#makeRoom(parties, rank);
      // A task that ends hands its turn over, so that none comes between.
      await new Promise<void>((start, refuse) => this.#waiting.push({ parties, rank, start, refuse }));
    } else {
      this.#running += 1;
    }
    try {
      return await task();
    } finally {
      const next = this.#takeNext();
      if (next === undefined) this.#running -= 1;
      else next.start();
    }
  }

  #takeNext(): Waiting | undefined {
    const ranks = this.#waiting.map(({ rank }) => rank);
    return this.#waiting.splice(ranks.indexOf(Math.min(...ranks)), ranks.length === 0 ? 0 : 1)[0];
  }

  /** @throws BusyError when no place can be given away */
  #makeRoom(parties: readonly string[], rank: number): void {
    const places = new Map<string, number>();
    const placesOf = (all: readonly string[]): number => Math.max(0, ...all.map((one) => places.get(one) ?? 0));
    for (const party of this.#waiting.flatMap((one) => one.parties)) places.set(party, (places.get(party) ?? 0) + 1);
    const busy = new BusyError(`${this.maxWaiting} tasks are waiting already`);
    let last: { readonly at: number; readonly rank: number; readonly places: number } | undefined;
    for (const [at, waiting] of this.#waiting.entries()) {
      const taken = { at, rank: waiting.rank, places: placesOf(waiting.parties) };
      if (last === undefined || taken.rank > last.rank || (taken.rank === last.rank && taken.places >= last.places)) {
        last = taken;
      }
    }
    const wanted = placesOf(parties) + 1;
    if (last === undefined || last.rank < rank || (last.rank === rank && last.places <= wanted)) throw busy;
    this.#waiting.splice(last.at, 1)[0]?.refuse(busy);
  }
}
