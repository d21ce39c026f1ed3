import { createHmac, randomBytes } from 'node:crypto';

/** Milliseconds after which a credential that was not used is verified anew. */
const lifetime = 300_000;

/** Credentials that are remembered; above it the one that was used the longest ago is forgotten. */
const capacity = 256;

interface Remembered<Account> {
  readonly account: Account;
  until: number;
}

/**
 * Credentials that were verified lately, so that a client that sends its password with every request costs one look-up.
 * Nothing of a credential is kept but a digest under a key that only this process has: what is found by it, and how
 * long that takes, tells nothing about passwords.
 */
export class VerifiedCredentials<Account> {
  readonly #key = randomBytes(32);
  readonly #accounts = new Map<string, Remembered<Account>>();

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
    const now = this.now();
    this.#accounts.delete(digest);
    if (remembered.until < now) return undefined;
    remembered.until = now + lifetime;
    this.#accounts.set(digest, remembered);
    return remembered.account;
  }

  add(digest: string, account: Account): void {
    this.#accounts.delete(digest);
    this.#accounts.set(digest, { account, until: this.now() + lifetime });
    if (this.#accounts.size <= capacity) return;
    const [oldest] = this.#accounts.keys();
    if (oldest !== undefined) this.#accounts.delete(oldest);
  }
}
