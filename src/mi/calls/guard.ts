import { processTime } from '../../base/clock.js';
import { SharedTable, type SharedTableMemory } from '../../base/shared-table.js';
import { includesLevel } from '../commands/command.js';
import type { CommandEntry, CommandList } from '../commands/command-table.js';
import { codes, MiAnswer, type MiError, RefusedCall } from '../errors.js';
import type { Client } from './call.js';

/** Permissions and limits of calls from the network. */
export interface GuardOptions {
  /** Commands that may be called; undefined: all. */
  readonly allowed?: CommandList | undefined;
  /** Commands that are denied to every level. */
  readonly denied?: CommandList | undefined;
  /** Calls from one network. */
  readonly addressRate?: RateLimit | undefined;
  /** Calls of one user or token. */
  readonly userRate?: RateLimit | undefined;
  /** The network of an origin, which shares one limit; undefined where it is not known. */
  readonly networkOf: (origin: string) => string | undefined;
}

/** Decides which calls are run. Within the process everything is. */
export class Guard {
  readonly #options: GuardOptions;

  constructor(options: GuardOptions) {
    this.#options = options;
  }

  /** Why this client may not run a command, -32003 naming the level that is missing; undefined: it may. */
  denial(entry: CommandEntry, client: Client | undefined): MiError | undefined {
    if (client === undefined) return undefined;
    const { allowed, denied } = this.#options;
    // An entry of no table has no name in a list: it belongs to the protocol.
    const isListed = entry.number >= 0;
    if (isListed && denied?.has(entry) === true)
      return permissionDenied(`${entry.fullName} is denied on this server (deny_commands)`);
    if (isListed && allowed?.has(entry) === false) {
      return permissionDenied(`${entry.fullName} is not allowed on this server (allow_commands)`);
    }
    const { caller } = client;
    const { level } = entry.command;
    if (caller === undefined || includesLevel(caller.grant, level)) return undefined;
    const who = caller.name === '-' ? 'callers here have' : `${caller.name} has`;
    return permissionDenied(`${entry.fullName} needs level ${level}; ${who} level ${caller.grant}`);
  }

  /** Takes one call out of the limits of this client; -32004 when there is none left, -32003 when it cannot be counted. */
  excess(client: Client | undefined): MiError | undefined {
    if (client === undefined) return undefined;
    const { addressRate, userRate, networkOf } = this.#options;
    if (addressRate !== undefined) {
      const network = networkOf(client.origin);
      if (network === undefined)
        return permissionDenied('the address of this connection is not known, and rate_limit_address counts by it');
      const wait = addressRate.take(network);
      if (wait > 0) return tooMany(`${addressRate.rate} calls a second from one address`, 'rate_limit_address', wait);
    }
    const { caller } = client;
    if (userRate === undefined || caller === undefined || caller.name === '-') return undefined;
    const wait = userRate.take(caller.name);
    return wait > 0 ? tooMany(`${userRate.rate} calls a second of one user`, 'rate_limit_user', wait) : undefined;
  }
}

function permissionDenied(data: string): MiError {
  return new MiAnswer(codes.permissionDenied, undefined, data);
}

function tooMany(what: string, parameter: string, wait: number): RefusedCall {
  return new RefusedCall(429, `more than ${what}, the limit ${parameter}; try again in ${wait} s`, wait);
}

/** Parties whose calls are counted at once. */
const capacity = 16384;

/** Numbers of a party: calls that it has left, and when they were counted. */
const Bucket = { tokens: 0, at: 1, width: 2 } as const;

/**
 * Limits how often each party calls: `rate` calls a second in the long run, and as many at once, whichever threads they
 * come to. A party that has not called for a second is as good as new, so that forgetting those that were idle the longest
 * changes little.
 */
export class RateLimit {
  readonly #buckets: SharedTable;

  /**
   * @param rate calls a second, 1 or more
   * @param now milliseconds of a clock that never goes back, and that all threads have
   * @param memory that of the limit in another thread; left out, this one begins anew
   */
  constructor(
    readonly rate: number,
    readonly now: () => number = processTime,
    memory: SharedTableMemory = SharedTable.make(capacity, Bucket.width),
  ) {
    this.#buckets = new SharedTable(memory);
  }

  /** For the same limit in another thread. */
  get memory(): SharedTableMemory {
    return this.#buckets.memory;
  }

  /** Parties that are remembered. */
  get size(): number {
    return this.#buckets.size;
  }

  /** Takes one call. @returns 0, or the whole seconds after which the next one is free */
  take(party: string): number {
    const buckets = this.#buckets;
    const key = buckets.keyOf(party);
    buckets.lock();
    try {
      return this.#take(buckets.find(key), key);
    } finally {
      buckets.unlock();
    }
  }

  #take(known: number, key: number): number {
    const buckets = this.#buckets;
    const { rate } = this;
    const now = this.now();
    const { cells } = buckets;
    const place = known < 0 ? buckets.add(key) : known;
    if (known >= 0) buckets.touch(known);
    const start = buckets.startOf(place);
    const before = known < 0 ? now : (cells[start + Bucket.at] ?? now);
    const left = known < 0 ? rate : (cells[start + Bucket.tokens] ?? 0);
    // Clocks of threads differ by less than a microsecond.
    const tokens = Math.min(rate, left + (Math.max(0, now - before) / 1000) * rate);
    cells[start + Bucket.at] = Math.max(before, now);
    const isFree = tokens >= 1;
    cells[start + Bucket.tokens] = isFree ? tokens - 1 : tokens;
    return isFree ? 0 : Math.ceil((1 - tokens) / rate);
  }
}
