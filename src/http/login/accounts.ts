import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { Recent } from '../../base/recent.js';
import type { AccountLine } from './account-file.js';
import {
  type BasicCredentials,
  canonicalSecret,
  digestToken,
  hashOfNobody,
  type PasswordHash,
  verifyPassword,
} from './secrets.js';
import { Turns } from './turns.js';

/** A user, or the owner of a token, who may log in. */
export interface Account {
  readonly name: string;
  readonly grant: string;
}

/** Passwords that are verified at a time, each with 16 MiB and a thread of its own, and those that may wait: a few seconds. */
const atOnce = 2;
const maxWaiting = 16;

/** The accounts of a server at one time. */
interface AccountSettings {
  /** The account whose password stands in the configuration. */
  readonly single?: AccountLine<string> | undefined;
  readonly users: readonly AccountLine<PasswordHash>[];
  /** Each with the digest of its token. */
  readonly tokens: readonly AccountLine<string>[];
}

/** Everybody who may log in, and the proofs. Another object after the files have changed: then nobody is remembered. */
export class Accounts {
  readonly verified = new VerifiedCredentials<Account>();
  readonly #key = randomBytes(32);
  readonly #single: { readonly account: Account; readonly name: Buffer; readonly password: Buffer } | undefined;
  readonly #users: ReadonlyMap<string, AccountLine<PasswordHash>>;
  readonly #tokens: ReadonlyMap<string, Account>;
  readonly #nobody: PasswordHash;

  /** @param turns shared by all accounts of a server, old ones too */
  constructor(
    { single, users, tokens }: AccountSettings,
    readonly turns: Turns = new Turns(atOnce, maxWaiting),
  ) {
    this.#single =
      single === undefined
        ? undefined
        : {
            account: { name: single.name, grant: single.grant },
            name: this.#digest(canonicalSecret(single.name)),
            password: this.#digest(canonicalSecret(single.secret)),
          };
    this.#users = new Map(users.map((user) => [user.name, user]));
    this.#tokens = new Map(tokens.map(({ name, grant, secret }) => [secret, { name, grant }]));
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
