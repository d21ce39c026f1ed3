import { createHash } from 'node:crypto';
import { Recent } from '../../base/recent.js';

/** Failures within {@link failuresRememberedFor} before a login has to wait. */
const freeFailures = 5;

/** Milliseconds for which failures are remembered. */
const failuresRememberedFor = 60_000;

/** Longest wait, seconds. */
const longestWait = 60;

/** Networks that are remembered at once; above it the one that failed the longest ago is forgotten. */
const capacity = 4096;

/**
 * Names with a tally of their own in one network; all further names share `others`, so that none is forgotten for
 * another. As many names that have logged in are remembered.
 */
const namesApart = 16;

/** How much a network can be believed, by its logins so far; the least first. */
export const Standing = { good: 0, new: 1, failing: 2 } as const;
export type Standing = (typeof Standing)[keyof typeof Standing];

/** How a login ended: refused is one that could not be verified. */
export type Outcome = 'succeeded' | 'failed' | 'refused';

/** A login that is being verified. */
export interface Attempt {
  readonly standing: Standing;
  /** To be told once. */
  readonly ended: (outcome: Outcome) => void;
}

/** Failures of one party, and how long it has to wait because of them. */
class Tally {
  failures = 0;
  /** Those of them that count for the network, too. */
  shared = 0;
  /** Logins that are being verified. */
  running = 0;
  #lastFailure = -Infinity;
  /** Seconds of the last wait, 0: none yet. */
  #wait = 0;
  #until = 0;

  /** Whole seconds left to wait. */
  left(now: number): number {
    return this.#until > now ? Math.ceil((this.#until - now) / 1000) : 0;
  }

  /** Tells whether one more login may be verified: those under way may all fail, and more at once would be more guesses. */
  hasRoom(now: number): boolean {
    this.#forget(now);
    return this.running < Math.max(1, freeFailures - this.failures);
  }

  fail(now: number): void {
    this.#forget(now);
    this.failures += 1;
    this.#lastFailure = now;
    if (this.failures < freeFailures) return;
    this.#wait = Math.min(Math.max(1, this.#wait * 2), longestWait);
    this.#until = now + this.#wait * 1000;
  }

  forgive(failures: number): void {
    this.failures = Math.max(0, this.failures - failures);
    if (this.failures >= freeFailures) return;
    this.#wait = 0;
    this.#until = 0;
  }

  isOver(now: number): boolean {
    this.#forget(now);
    return this.running === 0 && this.failures === 0;
  }

  #forget(now: number): void {
    if (now - this.#lastFailure <= failuresRememberedFor + this.#wait * 1000) return;
    this.failures = 0;
    this.shared = 0;
    this.#wait = 0;
  }
}

/** The failures of a network. */
class NetworkRecord {
  readonly total = new Tally();
  readonly others = new Tally();
  /** True when a login from here could not be verified of late, since too many were waiting. */
  wasRefused = false;
  readonly #names = new Map<string, Tally>();

  /**
   * @param name key of the name
   * @param isKnown true when it has logged in from here
   */
  find(name: string, isKnown: boolean): Tally | undefined {
    return this.#names.get(name) ?? (isKnown ? undefined : this.others);
  }

  add(name: string, isKnown: boolean, now: number): Tally {
    const there = this.#names.get(name);
    if (there !== undefined) return there;
    if (this.#names.size >= namesApart) this.#clear(now);
    if (this.#names.size >= namesApart && !isKnown) return this.others;
    const tally = new Tally();
    this.#names.set(name, tally);
    return tally;
  }

  /** Tells whether nothing is left to remember. */
  isOver(now: number): boolean {
    this.#clear(now);
    return this.#names.size === 0 && this.total.isOver(now) && this.others.isOver(now);
  }

  #clear(now: number): void {
    for (const [name, tally] of this.#names) if (tally.isOver(now)) this.#names.delete(name);
  }
}

/**
 * Makes guessing slow. Failures are counted for each network, and in it for each name. With {@link freeFailures} failed
 * logins within a minute either waits 1 second, and twice as long after each further failure, up to a minute. A login
 * that succeeds clears its own name alone.
 *
 * While a name waits, none of its logins is answered, not even one that was verified before: to whoever guesses, that
 * answer would be the verification. While only its network waits, logins that were verified before are answered, and
 * all others count against their name.
 */
export class BackOff {
  readonly #records = new Recent<NetworkRecord>(capacity);
  /** Networks of logins that succeeded, with the keys of their names. */
  readonly #known = new Recent<Set<string>>(capacity);

  /** @param now milliseconds of a clock that never goes back */
  constructor(readonly now: () => number = () => performance.now()) {}

  /** Networks that are remembered. */
  get size(): number {
    return this.#records.size;
  }

  /** Whole seconds for which no login of this name from this network is answered; 0: none. */
  wait(network: string, name: string): number {
    const record = this.#records.get(network);
    if (record === undefined) return 0;
    const key = keyOf(name);
    return record.find(key, this.#isKnown(network, key))?.left(this.now()) ?? 0;
  }

  /** Asks for a login to be verified: gives whole seconds after which it may be tried again, or the attempt that it is. */
  begin(network: string, name: string): number | Attempt {
    const now = this.now();
    const record = this.#records.get(network) ?? new NetworkRecord();
    this.#records.set(network, record);
    const key = keyOf(name);
    const tally = record.add(key, this.#isKnown(network, key), now);
    const own = tally.left(now);
    // The same for a name that has logged in here and one that nobody has.
    const wait = Math.max(record.total.left(now), record.others.left(now));
    if (own > 0) return Math.max(own, wait);
    if (wait > 0 || !record.total.hasRoom(now) || !tally.hasRoom(now)) {
      tally.fail(now);
      return Math.max(1, wait, tally.left(now));
    }
    record.total.running += 1;
    tally.running += 1;
    const ended = (outcome: Outcome): void => {
      record.total.running -= 1;
      tally.running -= 1;
      this.#settle(record, tally, outcome);
      if (outcome === 'succeeded') this.#remember(network, key);
      if (record.isOver(this.now()) && this.#records.get(network) === record) this.#records.delete(network);
    };
    return { standing: this.#standing(network, record), ended };
  }

  #settle(record: NetworkRecord, tally: Tally, outcome: Outcome): void {
    const now = this.now();
    record.wasRefused = outcome === 'refused';
    if (outcome === 'succeeded') {
      record.total.forgive(tally.shared);
      tally.forgive(tally.failures);
      tally.shared = 0;
      return;
    }
    // A login that could not be verified counts as a failure of its name: a cached password would not have come here.
    tally.fail(now);
    if (outcome === 'refused') return;
    tally.shared += 1;
    record.total.fail(now);
  }

  #remember(network: string, key: string): void {
    const names = this.#known.get(network) ?? new Set();
    this.#known.set(network, names);
    if (names.size < namesApart) names.add(key);
  }

  #standing(network: string, record: NetworkRecord): Standing {
    if (record.wasRefused || record.total.failures > 0) return Standing.failing;
    return this.#known.has(network) ? Standing.good : Standing.new;
  }

  #isKnown(network: string, key: string): boolean {
    return this.#known.get(network)?.has(key) === true;
  }
}

/** Short, whatever a client sends as a name. */
function keyOf(name: string): string {
  return createHash('sha256').update(name).digest('base64');
}
